"""The rendering process: one JSON job on stdin, one JSON report on stdout.

With ``--progress`` it writes JSON lines of its progress to stderr; a failure ends with one plain sentence there.
"""

from __future__ import annotations

import gc
import json
import sys

from docsfy_jupyter.site.jobs import job_from_json, job_to_json, report_from_json, report_to_json
from docsfy_jupyter.site.render import render_site

__all__ = ["job_to_json", "main", "report_from_json"]


def _tell(done: int, total: int) -> None:
    """Write one line of progress."""
    sys.stderr.write(json.dumps({"done": done, "total": total}) + "\n")
    sys.stderr.flush()


def main() -> int:
    """Render the job on stdin; return the exit code."""
    try:
        report = render_site(job_from_json(sys.stdin.read()), _tell if "--progress" in sys.argv[1:] else None)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(report_to_json(report) + "\n")
    return 0


if __name__ == "__main__":
    gc.disable()  # tokens hold no cycles; to look for some among all of a site's costs a tenth of the time
    sys.exit(main())
