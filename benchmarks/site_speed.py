"""Seconds to render 200 dense pages and one small page, beside markdown-it-py rendering the same text bare.

``python benchmarks/site_speed.py [PAGES]``: both are measured in the same run, so that the ratio says something on any machine.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from docsfy_jupyter.models import Plan, PlanGroup, PlanPage
from docsfy_jupyter.site.jobs import SiteJob, job_to_json

# Highlighting and sanitising, links, search and frame cost about as much again as the parsing itself.
LIMIT = 3.0
SECTION = """## `name_{1}_of_{0}(a, b)` {{#m.name_{1}}}

Some text about it, `code`, [link](page-1.md).

```python
x{0} = f({1})  # why
```

"""
BARE = """
import sys
from pathlib import Path
from markdown_it import MarkdownIt
md = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
for path in sys.argv[1:]:
    Path(path + ".html").write_text(md.render(Path(path).read_text("utf-8")), "utf-8")
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


def timed(command: list[str], text: str = "") -> tuple[float, float]:
    """Run a command; return its seconds by the clock, and those of the processor."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    subprocess.run([sys.executable, *command], input=text, text=True, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - began, after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime


def main() -> int:
    """Print the table; return 1 where our share of the processor is above the limit."""
    pages = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as name:
        dense, small = make_job(Path(name) / "dense", pages, 50), make_job(Path(name) / "small", 1, 2)
        worker = ["-m", "docsfy_jupyter.site.worker"]
        ours = timed(worker, job_to_json(dense))
        one = timed(worker, job_to_json(small))
        bare = timed(["-c", BARE, *(str(path) for path in dense.pages.values())])
    for title, (clock, processor) in ((f"{pages} dense pages", ours), ("one small page", one), ("markdown-it-py, bare", bare)):
        print(f"{title:24}{clock:7.2f} s{processor:9.2f} s of processor")
    ratio = ours[1] / bare[1]
    print(f"{'ratio to bare':24}{ours[0] / bare[0]:7.2f}  {ratio:9.2f} (limit {LIMIT})")
    return int(ratio > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
