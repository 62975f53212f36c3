"""Seconds of processor to render a site, beside mkdocs-material, beside bare markdown-it-py, and again after one change.

All render the same 200 dense pages (fifty headings, texts, links and pieces of code each), in turns.

Run ``python benchmarks/site_speed.py``. mkdocs-material and what it needs are in the extra ``bench``.
"""

from __future__ import annotations

import itertools
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from rows import Row, alone, beside, not_run, parser, report

from docsfy_jupyter.models import Plan, PlanGroup, PlanPage
from docsfy_jupyter.site.jobs import SiteJob, job_to_data

PAGES, SECTIONS, TURNS = 200, 50, 5
MATERIAL, AGAIN, BARE, SMALL = 0.5, 0.15, 3.0, 0.35  # ratios, and seconds for one small page
SECTION = """## `name_{1}_of_{0}(a, b)` {{#m.name_{1}}}

Some text about it, `code`, [link](page-1.md).

```python
x{0} = f({1})  # why
```

"""
BARE_RENDERER = """
import sys
from pathlib import Path
from markdown_it import MarkdownIt
md = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
for path in sys.argv[1:]:
    Path(path + ".html").write_text(md.render(Path(path).read_text("utf-8")), "utf-8")
"""
MATERIAL_CONFIG = """site_name: demo
theme: {name: material}
plugins: [search]
markdown_extensions: [attr_list, pymdownx.highlight, pymdownx.superfences, admonition, tables, footnotes, def_list]
"""


def make_job(folder: Path, pages: int, sections: int) -> SiteJob:
    """Write pages of as many sections, each with a heading, text, a link and code; no two are alike."""
    folder.mkdir()
    planned = [PlanPage(slug=f"page-{number}", title=f"Page {number}") for number in range(pages)]
    plan = Plan(navigation=[PlanGroup(pages=planned)])
    sources = {}
    for number, page in enumerate(planned):
        sources[page.slug] = folder / f"{page.slug}.md"
        text = "".join(SECTION.format(number, section) for section in range(sections))
        sources[page.slug].write_text(text, encoding="utf-8")
    return SiteJob(plan, sources, {}, folder / "site", "demo")


def timed(command: list[str], text: str = "") -> float:
    """Run a command; return its seconds of processor."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], input=text, text=True, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime


class Sites:
    """Renders the same pages in several ways, each time into a new folder."""

    def __init__(self, folder: Path) -> None:
        self._job = make_job(folder / "dense", PAGES, SECTIONS)
        self._one = make_job(folder / "small", 1, 2)
        self._folder = folder
        self._numbers = itertools.count()
        self._book = folder / "material"
        (self._book / "docs").mkdir(parents=True)
        (self._book / "mkdocs.yml").write_text(MATERIAL_CONFIG, "utf-8")
        for slug, path in self._job.pages.items():
            (self._book / "docs" / f"{slug}.md").write_text(path.read_text("utf-8"), "utf-8")
        (self._book / "docs" / "index.md").write_text("# demo\n", "utf-8")

    def _fresh(self) -> Path:
        return self._folder / f"site-{next(self._numbers)}"

    def _ours(self, job: SiteJob) -> float:
        request = json.dumps({"site": job_to_data(replace(job, out=self._fresh()))})
        return timed(["-m", "docsfy_jupyter.site.worker"], request + "\n")

    def whole(self) -> float:
        """Render all from nothing, and keep what the next rendering may use."""
        return self._ours(replace(self._job, earlier=self._fresh()))

    def small(self) -> float:
        """Render one small page."""
        return self._ours(self._one)

    def again(self) -> float:
        """Change one page and render."""
        earlier = self._folder / "earlier"
        if not earlier.exists():
            self._ours(replace(self._job, earlier=earlier))
        with self._job.pages["page-7"].open("a", encoding="utf-8") as page:
            page.write("One line more.\n\n")
        return self._ours(replace(self._job, earlier=earlier))

    def bare(self) -> float:
        """Let markdown-it-py render the texts, and nothing else."""
        return timed(["-c", BARE_RENDERER, *(str(path) for path in self._job.pages.values())])

    def material(self) -> float:
        """Let mkdocs-material render them."""
        return timed(["-m", "mkdocs", "build", "-q", "-f", str(self._book / "mkdocs.yml"), "-d", str(self._fresh())])


def measure(folder: Path) -> Iterator[Row]:
    """Render in turns."""
    sites = Sites(folder)
    other = find_spec("material") is not None
    turns = [
        (sites.whole(), sites.again(), sites.bare(), sites.small(), sites.material() if other else 0.0) for _ in range(TURNS)
    ]
    whole, again, bare, small, material = ([turn[place] for turn in turns] for place in range(5))
    name = f"render {PAGES} dense pages, CPU s"
    if other:
        yield beside(name, whole, material, at_most=MATERIAL, note="beside mkdocs-material")
    else:
        yield not_run(name, "mkdocs-material is not installed (extra bench)")
    yield beside("render again after one changed page, CPU s", again, whole, at_most=AGAIN, note="beside the whole")
    yield beside(name, whole, bare, at_most=BARE, note="beside markdown-it-py alone: no links, search, sanitiser, highlighting")
    yield alone("render one small page, CPU s", small, at_most=SMALL)


def main() -> int:
    """Measure in a temporary folder; return the exit code."""
    options = parser(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as name:
        return report(list(measure(Path(name))), options.json)


if __name__ == "__main__":
    sys.exit(main())
