"""Does a reader find it? Questions from the source, put to the search of our site and to that of pdoc's.

Both sites are opened from disk in Chromium, the question is typed into the site's own search box, and the text of the section
that a result leads to must hold the answer. Run ``python benchmarks/reader_finds.py``; it needs pdoc, playwright and chromium,
no network.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from local_sites import copy_package, make_site
from playwright.sync_api import Page, sync_playwright
from reader_questions import Question, draw
from rows import alone, parser, report

_PACKAGES = ("jinja2", "tornado")
# pdoc imports what it documents: one module of tornado is in neither site, two libraries of others get a stand-in.
_LEFT_OUT = "twisted.py"
_STAND_INS = ("pycurl", "pycares")
_PDOC = """
import runpy, sys
from unittest.mock import MagicMock
sys.modules.update((name, MagicMock()) for name in sys.argv.pop().split(","))
runpy.run_module("pdoc", run_name="__main__")
"""
_TOP = 3
_WAYS = ("first result", "first three", "first result, folded source opened")
# The section of an anchor: an element's own text, or of a heading everything up to the next one that is no deeper.
_SECTION = """anchor => {
  const found = anchor ? document.getElementById(anchor) : document.querySelector("main");
  const parts = found ? [found] : [];
  if (found && /^H[1-6]$/.test(found.tagName))
    for (let e = found.nextElementSibling; e && !(/^H[1-6]$/.test(e.tagName) && e.tagName <= found.tagName);
         e = e.nextElementSibling)
      parts.push(e);
  const words = e => { // Text of an element whether it shows or not; numbers of lines stand apart from the code.
    e.querySelectorAll(".linenos").forEach(number => number.append(" "));
    return e.textContent;
  };
  return [parts.map(e => e.innerText).join("\\n"), parts.map(words).join("\\n")];
}"""


class Site:
    """A site on disk with a search box.

    Parameters
    ----------
    name : str
        Shown in the results.
    index : Path
        The page that is opened.
    box, results : str
        Selectors of the search box and of the links of its results.
    """

    def __init__(self, name: str, index: Path, box: str, results: str) -> None:
        self.name = name
        self.index = index
        self._box = box
        self._results = results
        self._texts: dict[str, tuple[str, str]] = {}

    def open(self, page: Page) -> None:
        """Open it and let it load its index."""
        page.goto(self.index.as_uri())
        page.focus(self._box)
        page.fill(self._box, "a")
        page.wait_for_selector(self._results)

    def ask(self, page: Page, query: str) -> list[str]:
        """Return where the first results lead."""
        page.fill(self._box, "")
        page.fill(self._box, query)
        page.wait_for_timeout(60)
        return [str(link) for link in page.eval_on_selector_all(self._results, "links => links.map(link => link.href)")[:_TOP]]

    def text(self, page: Page, address: str) -> tuple[str, str]:
        """Return the text that an address leads to: what shows at once, and the same with folded parts."""
        if address not in self._texts:
            page.goto(address)
            shown, whole = page.evaluate(_SECTION, unquote(urlsplit(address).fragment))
            # The address is before the reader's eyes too: it names the module and the symbol.
            place = re.sub(r"^.*/(?=[^/]*/)", "", unquote(address)).replace(".html", "")
            self._texts[address] = (f"{place} {shown}", f"{place} {whole}")
        return self._texts[address]


def _answers(question: Question, text: str) -> bool:
    flat = re.sub(r"\s+", " ", text)
    return all(re.search(need, flat) for need in question.needs)


def score(site: Site, page: Page, reader: Page, questions: list[Question], verbose: bool) -> dict[str, Counter[str]]:
    """Ask everything; return the right answers by kind, for every way of counting."""
    site.open(page)
    counts: dict[str, Counter[str]] = {way: Counter() for way in _WAYS}
    for question in questions:
        reached = site.ask(page, question.query)
        right = [_answers(question, site.text(reader, address)[0]) for address in reached]
        counts["first result"][question.kind] += bool(right and right[0])
        counts["first three"][question.kind] += any(right)
        opened = bool(reached) and _answers(question, site.text(reader, reached[0])[1])
        counts["first result, folded source opened"][question.kind] += opened
        if not (right and right[0]) and verbose:
            led = reached[0].rsplit("/", 1)[-1] if reached else "nothing found"
            note = " (only in its folded source)" if opened else " (in the first three)" if any(right) else ""
            print(f"  miss {site.name:6} {question.package} {question.kind}: {question.query!r} led to {led}{note}")
    return counts


def _pdoc(root: Path, package: str, out: Path) -> None:
    """Let pdoc write its site."""
    command = [sys.executable, "-W", "ignore", "-c", _PDOC, package, "-o", str(out), ",".join(_STAND_INS)]
    subprocess.run(command, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, check=True, capture_output=True)


def main() -> int:
    """Print every miss and the scores; return the exit code."""
    options = parser(__doc__)
    options.add_argument("--each", type=int, default=6, help="questions of each of six kinds for each of two packages")
    options.add_argument("--seed", type=int, default=7)
    options.add_argument("--quiet", action="store_true", help="leave the misses out")
    options.add_argument("--work", type=Path, help="a folder that keeps repositories and sites between calls")
    arguments = options.parse_args()
    totals: dict[str, dict[str, Counter[str]]] = {name: {way: Counter() for way in _WAYS} for name in ("docsfy", "pdoc")}
    asked: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as made, sync_playwright() as playwright:
        folder = arguments.work or Path(made)
        executable = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        for package in _PACKAGES:
            questions = draw(_built(package, folder), package, arguments.each, arguments.seed)
            asked.update(q.kind for q in questions)
            for site in _sites(package, folder):
                page, reader = browser.new_page(), browser.new_page()
                for way, counts in score(site, page, reader, questions, not arguments.quiet).items():
                    totals[site.name][way].update(counts)
                page.close()
                reader.close()
        browser.close()
    rows = []
    for way in _WAYS:
        ours, theirs = (totals[name][way] for name in ("docsfy", "pdoc"))
        kinds = ", ".join(f"{kind} {ours[kind]} and {theirs[kind]} of {asked[kind]}" for kind in sorted(asked))
        row = alone(f"answers that readers find, {way}, of {asked.total()}", [ours.total()], other=[theirs.total()], note=kinds)
        rows.append(replace(row, mark="more than pdoc", passed=ours.total() > theirs.total()) if way == _WAYS[0] else row)
    return report(rows, arguments.json)


def _built(package: str, folder: Path) -> Path:
    """Make the repository and both sites, unless they are there from an earlier call."""
    root = folder / package
    if not root.exists():
        copy_package(package, folder, _LEFT_OUT)
    if not (folder / f"{package}-docsfy").exists():
        make_site(root, folder / f"{package}-docsfy")
    if not (folder / f"{package}-pdoc").exists():
        _pdoc(root, package, folder / f"{package}-pdoc")
    return root


def _sites(package: str, folder: Path) -> tuple[Site, Site]:
    return (
        Site("docsfy", folder / f"{package}-docsfy" / "index.html", "header.top .search input", ".search-results a"),
        Site("pdoc", folder / f"{package}-pdoc" / f"{package}.html", ".pdoc input[type=search]", ".search-result > a"),
    )


if __name__ == "__main__":
    sys.exit(main())
