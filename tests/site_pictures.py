"""The README's pictures of a generated site. ``make pictures`` takes them anew from the site that `make demo` made."""

from __future__ import annotations

import shutil
from pathlib import Path

from browsing import ARGUMENTS
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parent.parent
PAGE = "api-docsfy-jupyter-site-archive.html"


def take(browser: Browser, site: Path, folder: Path) -> list[Path]:
    """Photograph one page of a site in both themes; return the pictures."""
    taken = []
    for scheme in ("light", "dark"):
        page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme=scheme, reduced_motion="reduce")
        page.goto((site / PAGE).as_uri())
        taken.append(folder / f"site-{scheme}.png")
        page.screenshot(path=taken[-1])
        page.close()
    return taken


if __name__ == "__main__":
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        for picture in take(chromium, ROOT / "build" / "demo-site", ROOT / "docs" / "pictures"):
            print(f"{picture.relative_to(ROOT)}: {picture.stat().st_size // 1000} kB")
        chromium.close()
