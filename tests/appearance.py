"""What a page must look like whatever it shows: nothing cut, nothing beside the page, colours that can be read; and axe-core."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

SCREENSHOTS = Path(__file__).parent.parent / "build" / "screenshots"

# Returns one sentence for each fault below an element. Contrast is that of WCAG 2.2, on the first ground that is opaque.
FAULTS = """root => {
  const faults = [];
  const name = node => `${node.tagName.toLowerCase()}.${node.getAttribute('class') ?? ''} "${node.textContent.trim().slice(0, 40)}"`;
  const page = document.documentElement;
  if (page.scrollWidth > page.clientWidth) faults.push(`the page is ${page.scrollWidth} px wide in a window of ${page.clientWidth}`);
  const numbers = colour => (colour.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const ground = node => {
    for (let n = node; n; n = n.parentElement) {
      const c = numbers(getComputedStyle(n).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  const frame = root.getBoundingClientRect();
  for (const node of root.querySelectorAll('*')) {
    const style = getComputedStyle(node);
    const box = node.getBoundingClientRect();
    if (!node.checkVisibility() || box.width === 0 || node.closest('.docsfy-heard, svg, datalist')) continue;
    if (box.right > frame.right + 0.5 || box.left < frame.left - 0.5) faults.push(`${name(node)} leaves the frame`);
    const says = [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim());
    const clips = style.overflowX !== 'visible';
    if ((says || clips) && style.display !== 'inline' && node.tagName !== 'INPUT' && node.scrollWidth > node.clientWidth + 1)
      faults.push(`${name(node)} is cut: ${node.scrollWidth} px in ${node.clientWidth}`);
    if (style.overflowY === 'hidden' && node.scrollHeight > node.clientHeight + 1) faults.push(`${name(node)} is cut below`);
    if ((says || node.tagName === 'INPUT') && !node.disabled) {
      const found = ratio(numbers(style.color), ground(node));
      if (found < 4.5) faults.push(`${name(node)} has a contrast of ${found.toFixed(2)}`);
    }
    if (node.matches('input, button, .docsfy-button') && !node.disabled) {
      const found = ratio(numbers(style.borderTopColor), ground(node.parentElement));
      if (found < 3) faults.push(`the edge of ${name(node)} has a contrast of ${found.toFixed(2)}`);
    }
    if (node.matches('.docsfy-fill')) {
      const found = ratio(numbers(style.backgroundColor), ground(node.parentElement));
      if (found < 3) faults.push(`the bar has a contrast of ${found.toFixed(2)}`);
    }
  }
  return faults;
}"""

AXE = """async selector => {
  const found = await axe.run(selector, { resultTypes: ['violations'] });
  return found.violations.map(v => `${v.id}: ${v.help}: ${v.nodes.map(n => n.html.slice(0, 200)).join(' ')}`);
}"""


def faults(page: Page, selector: str = ".docsfy-panel") -> list[str]:
    """Return what is wrong with how a part of a page looks."""
    found: list[str] = page.locator(selector).first.evaluate(FAULTS)
    return found


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm on this machine, so no axe-core")
    folder = tmp_path_factory.mktemp("axe")
    command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "axe-core@4"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=90)
    except subprocess.TimeoutExpired:
        pytest.skip("npm did not fetch axe-core within 90 seconds")
    source = folder / "node_modules" / "axe-core" / "axe.min.js"
    if done.returncode or not source.is_file():
        pytest.skip(f"npm could not fetch axe-core: {done.stderr[-200:]}")
    return source.read_text("utf-8")


def violations(page: Page, axe_source: str, selector: str) -> list[Any]:
    """Return what axe-core finds in a part of a page."""
    page.evaluate(axe_source)
    found: list[Any] = page.evaluate(AXE, selector)
    return found
