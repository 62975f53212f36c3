"""What `make demo` promises: a site of this very checkout, made by the server extension, that needs no network."""

from __future__ import annotations

import json
import os
import re
import shlex
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from own_network import own_network
from pictures import take_site
from playwright.sync_api import Browser, expect
from site_links import broken_links

ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent


def demo_command() -> list[str]:
    """Return what the Makefile's target `demo` runs, with this environment's programs."""
    recipe = re.search(r"^demo:.*\n\t(.*)", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert recipe is not None
    return shlex.split(recipe[1].replace("$(BIN)", str(BIN)))


@dataclass
class Demo:
    """A finished `make demo` on a fresh clone."""

    folder: Path
    env: dict[str, str]
    result: subprocess.CompletedProcess[str]

    @property
    def site(self) -> Path:
        """The folder that the command names."""
        return self.folder / "build" / "demo-site"

    def pages(self) -> list[Path]:
        """Return the Markdown of every page."""
        return sorted(path for path in self.site.glob("*.md"))


def run_demo(folder: Path, source: Path, *before: str) -> Demo:
    """Clone a checkout of this project and run the demo in the clone, with a Jupyter configuration of its own."""
    clone = folder / "clone"
    subprocess.run(["git", "clone", "-q", str(source), str(clone)], check=True)
    env = {**os.environ, "JUPYTER_RUNTIME_DIR": str(folder / "runtime"), "JUPYTER_CONFIG_DIR": str(folder / "config")}
    command = [*before, *demo_command()]
    result = subprocess.run(command, cwd=clone, env=env, capture_output=True, text=True, timeout=170, stdin=subprocess.DEVNULL)
    return Demo(clone, env, result)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """Run the demo once."""
    return run_demo(tmp_path_factory.mktemp("demo"), ROOT)


def public_modules(clone: Path) -> list[str]:
    """Return the dotted names of the package's public modules."""
    listing = subprocess.run(["git", "ls-files", "docsfy_jupyter/*.py"], cwd=clone, capture_output=True, text=True, check=True)
    found = []
    for name in listing.stdout.splitlines():
        parts = Path(name).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if not any(part.startswith("_") for part in parts):
            found.append(".".join(parts))
    return found


def test_the_demo_ends_well_and_names_its_site(demo: Demo) -> None:
    assert demo.result.returncode == 0, demo.result.stderr[-3000:]
    said = demo.result.stdout + demo.result.stderr
    assert "build/demo-site/" in said
    assert "Rendering HTML site" in said
    assert re.search(r"Generated page 1 of \d+", said)


def test_every_public_module_has_a_page(demo: Demo) -> None:
    titles = {path.read_text("utf-8").split("\n", 1)[0].removeprefix("# ").strip("`") for path in demo.pages()}
    modules = public_modules(demo.folder)
    assert len(modules) > 30
    assert [name for name in modules if name not in titles] == []


def test_there_are_pages_enough_to_read(demo: Demo) -> None:
    words = [len(path.read_text("utf-8").split()) for path in demo.pages()]
    assert len(words) >= 15
    assert statistics.median(words) >= 150


def test_the_demo_has_no_broken_link(demo: Demo) -> None:
    assert len(list(demo.site.glob("*.html"))) >= len(demo.pages())
    assert broken_links(demo.site) == []


def test_the_runs_listing_shows_that_the_extension_made_it(demo: Demo) -> None:
    command = [str(BIN / "jupyter"), "docsfy", "runs", "--json", "--data-dir", "build/demo-data"]
    listing = subprocess.run(command, cwd=demo.folder, env=demo.env, capture_output=True, text=True, timeout=60, check=True)
    (run,) = json.loads(listing.stdout)["runs"]
    made = {name: run[name] for name in ("name", "ai_provider", "ai_model", "outcome", "page_count")}
    assert made == {
        "name": "docsfy_jupyter", "ai_provider": "local", "ai_model": "static", "outcome": "ready", "page_count": len(demo.pages()),
    }  # fmt: skip
    assert list(run["stage_times"]) == ["cloning", "planning", "generating_pages", "rendering"]


@pytest.mark.browser
def test_the_demo_opens_from_disk_finds_a_function_and_asks_nobody(demo: Demo, seen) -> None:
    page = seen.page
    for path in sorted(demo.site.glob("*.html"))[::4]:  # that no page loads anything from elsewhere is in `broken_links`
        page.goto(path.as_uri())
    page.goto((demo.site / "index.html").as_uri())
    page.keyboard.press("/")
    page.keyboard.type("render_site")
    expect(page.locator("#search-results a").first).to_contain_text("render_site(")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"^file:.*/api-docsfy-jupyter-site-render\.html#"))
    assert [url for url in seen.requests if not url.startswith(("file:", "data:"))] == []
    assert seen.complaints == []


@pytest.mark.browser
def test_the_pictures_of_the_readme_can_be_taken_anew(demo: Demo, site_browser: Browser, tmp_path: Path) -> None:
    for picture in take_site(site_browser, demo.site, tmp_path):
        kept = ROOT / "docs" / "pictures" / picture.name
        assert f"docs/pictures/{picture.name}" in (ROOT / "README.md").read_text("utf-8")
        assert max(picture.stat().st_size, kept.stat().st_size) < 150_000


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
def test_the_demo_is_the_same_without_any_network(demo: Demo, tmp_path: Path) -> None:
    alone = run_demo(tmp_path, demo.folder, *own_network())
    assert alone.result.returncode == 0, alone.result.stderr[-3000:]
    assert [path.name for path in alone.pages()] == [path.name for path in demo.pages()]
    assert broken_links(alone.site) == []
