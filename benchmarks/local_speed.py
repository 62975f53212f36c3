"""How long the local provider takes for 500 Python files, in the worker process that a run uses.

The files are those of installed packages, in one temporary repository. Printed are the seconds of analysis with plan and of
writing every page, the worker's processor time (what counts: other work on the machine does not), and the ratio to what griffe
alone needs to load the same packages, in a process of its own in the same run. No network. Run
``python benchmarks/local_speed.py``.
"""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from local_sites import commit, head, tracked
from rows import alone, beside, parser, report

from docsfy_jupyter.generation.process import Processes
from docsfy_jupyter.providers.base import PlanRequest, RunContext
from docsfy_jupyter.providers.local.provider import LocalProvider

_FILES, _TURNS, _LIMIT = 500, 3, 20.0  # seconds
_PACKAGES = (
    "jinja2", "tornado", "click", "jupyter_server", "IPython", "traitlets", "griffe", "nbformat", "nbconvert", "ipykernel",
    "jupyter_client", "jupyter_core", "requests", "urllib3", "pygments", "jsonschema", "markdown_it", "mypy", "pip", "playwright",
)  # fmt: skip
_BARE = """
import sys, time, griffe, pathlib
started = time.process_time()
for name in sys.argv[2:]:
    griffe.load(name, search_paths=[sys.argv[1]], allow_inspection=False)
print(time.process_time() - started)
"""


def make_repository(root: Path, count: int) -> list[str]:
    """Copy up to `count` files of installed packages, whole packages first; return the packages that are in it."""
    left, packages = count, []
    for name in _PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None or left <= 0:
            continue
        folder = Path(spec.origin).parent
        files = [p for p in sorted(folder.rglob("*.py")) if not {"test", "tests"} & set(p.relative_to(folder).parts)][:left]
        for path in files:
            target = root / name / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
        left -= len(files)
        packages.append(name)
    commit(root)
    return packages


async def measure(root: Path) -> tuple[float, float, float, int, int]:
    """Return the seconds of planning, of all pages and of the worker's processor, the number of pages and their characters."""
    processes = Processes()
    await processes.start()
    try:
        context = RunContext(
            "g", "speed", "static", root, head(root), str(root), tuple(tracked(root)), 600.0, processes, lambda *a, **k: None
        )
        async with LocalProvider().open(context) as session:
            started = time.perf_counter()
            plan = (await session.plan(PlanRequest())).plan
            planned = time.perf_counter()
            answers = [await session.write_page(plan, page) for page in plan.pages()]
            written = time.perf_counter()
            times = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
            return (
                planned - started,
                written - planned,
                max(t.user + t.system for t in times),
                len(answers),
                sum(len(a.markdown) for a in answers),
            )
    finally:
        await processes.aclose()


def main() -> int:
    """Measure in temporary folders; return the exit code."""
    options = parser(__doc__).parse_args()
    turns: list[tuple[float, float, float]] = []
    for _ in range(_TURNS):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "speed"
            packages = make_repository(root, _FILES)
            count = sum(1 for _ in root.rglob("*.py"))
            analysed, written, processor, pages, characters = asyncio.run(measure(root))
            command = [sys.executable, "-W", "ignore", "-c", _BARE, str(root), *packages]
            bare = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        turns.append((analysed + written, processor, bare))
    clock, used, griffe = (list(column) for column in zip(*turns, strict=True))
    name = f"local provider, {count} Python files"
    made = f"{pages} pages, {characters / 1e6:.1f} M characters"
    rows = [
        alone(f"{name}, analysis and all pages, s", clock, at_most=_LIMIT, note=made),
        beside(f"{name}, CPU s", used, griffe, note="beside griffe that only loads them"),
    ]
    return report(rows, options.json)


if __name__ == "__main__":
    sys.exit(main())
