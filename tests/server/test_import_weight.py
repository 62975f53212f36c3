"""What a start of a Jupyter server must not pay for: asserted by what is loaded, since times depend on the machine."""

from __future__ import annotations

import subprocess
import sys

import pytest

# what does the work, loaded when there is work, or only in worker processes
WORK = [
    "duckdb",
    "markdown_it",
    "mdit_py_plugins",
    "pygments",
    "nh3",
    "griffe",
    "httpx",
    "tqdm",
    "yaml",
    "anywidget",
    "ipywidgets",
]
PACKAGE = [*WORK, "pydantic", "jupyter_server", "tornado", "traitlets", "jinja2", "asyncio", "psutil", "IPython"]


def loaded(code: str, names: list[str]) -> list[str]:
    """Return which of some modules a fresh process has after some code, and not before."""
    script = f"import sys\nsys.modules['rfc3987_syntax'] = None\n{code}\nprint(' '.join(name for name in {names!r} if name in sys.modules))"
    return subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()


def test_the_package_alone_loads_nothing_heavy() -> None:
    assert loaded("import docsfy_jupyter", PACKAGE) == []


@pytest.mark.parametrize("code", ["import docsfy_jupyter; docsfy_jupyter._jupyter_server_extension_points()"])
def test_the_extension_loads_nothing_that_only_work_needs(code: str) -> None:
    already = loaded("import jupyter_server.serverapp", WORK)
    assert set(loaded(f"import jupyter_server.serverapp; {code}", WORK)) == set(already)
    assert not set(already) & {"duckdb", "markdown_it", "pygments", "nh3", "griffe"}


def test_the_published_shapes_are_loaded_for_the_description_only() -> None:
    assert loaded("import docsfy_jupyter.server.app", ["docsfy_jupyter.server.answers", "docsfy_jupyter.site.markdown"]) == []


def test_a_kernel_needs_no_server_side() -> None:
    names = ["jupyter_server", "duckdb", "markdown_it", "tornado.web", "docsfy_jupyter.server", "docsfy_jupyter.store"]
    assert loaded("from docsfy_jupyter import connect, DocsfyClient", names) == []
