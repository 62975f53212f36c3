"""The README's pictures: a page of the site that `make demo` made, and the panel in a notebook. ``make pictures`` takes them anew."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from browsing import ARGUMENTS
from lab import EXPOSED, Lab
from playwright.sync_api import Browser, expect, sync_playwright
from servers import FRONTENDS, await_health, end, git, launch

ROOT = Path(__file__).parent.parent
PAGE = "api-docsfy-jupyter-site-archive.html"
SCHEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
# the checkout itself, by static analysis: a run that anybody can repeat
CELL = "from docsfy_jupyter import connect\n\nconnect().generate({!r})"


def take_site(browser: Browser, site: Path, folder: Path) -> Iterator[Path]:
    """Photograph one page of a site in both themes."""
    for scheme in SCHEMES:
        page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme=scheme, reduced_motion="reduce")
        page.goto((site / PAGE).as_uri())
        page.screenshot(path=folder / f"site-{scheme}.png")
        page.close()
        yield folder / f"site-{scheme}.png"


@contextmanager
def jupyterlab(browser: Browser, scheme: str) -> Iterator[Lab]:
    """Start JupyterLab in one of its themes."""
    with tempfile.TemporaryDirectory(prefix="jupyter-") as temporary:
        home = Path(temporary)
        settings = home / "settings" / "@jupyterlab" / "apputils-extension"
        settings.mkdir(parents=True)
        (settings / "themes.jupyterlab-settings").write_text(f'{{"theme": "{SCHEMES[scheme]}"}}')
        where = f"--LabApp.user_settings_dir={settings.parent.parent}"
        server = launch(home, *EXPOSED, where, "--DocsfyApp.max_concurrent_pages=1", frontends=FRONTENDS)
        try:
            await_health(server)
            opened = Lab(server, browser, home)
            yield opened
            opened.close()
        finally:
            end(server)


def take_panel(browser: Browser, folder: Path) -> Iterator[Path]:
    """Photograph a cell and its panel in the middle of a run, in both themes."""
    for scheme in SCHEMES:
        with jupyterlab(browser, scheme) as lab:
            git(lab.home, "clone", "-q", "--depth", "1", ROOT.as_uri(), "docsfy_jupyter")
            shown = lab.open(CELL.format(os.fspath(lab.home / "docsfy_jupyter")), color_scheme=scheme)
            shown.run(0)
            expect(shown.panel.locator(".docsfy-numbers")).to_contain_text(re.compile(r"\b[1-9]\d* / \d+ pages"), timeout=60_000)
            shown.cell(0).screenshot(path=folder / f"panel-{scheme}.png")
        yield folder / f"panel-{scheme}.png"


if __name__ == "__main__":
    pictures = ROOT / "docs" / "pictures"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        for takes in (take_site(chromium, ROOT / "build" / "demo-site", pictures), take_panel(chromium, pictures)):
            for picture in takes:
                print(f"{picture.relative_to(ROOT)}: {picture.stat().st_size // 1000} kB")
        chromium.close()
