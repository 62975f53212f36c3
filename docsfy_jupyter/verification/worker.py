"""The checking process: one JSON job on stdin, one JSON report on stdout; exit code 3 when the budget was used up."""

from __future__ import annotations

import gc
import sys

from docsfy_jupyter.verification.check import check
from docsfy_jupyter.verification.jobs import OUT_OF_TIME, CheckJob, OutOfTime


def main() -> int:
    """Check the job on stdin; return the exit code."""
    sys.setrecursionlimit(5000)
    try:
        report = check(CheckJob.from_json(sys.stdin.read()))
    except OutOfTime:
        return OUT_OF_TIME
    sys.stdout.write(report.to_json() + "\n")
    return 0


if __name__ == "__main__":
    gc.disable()  # syntax trees hold no cycles that matter in a process of seconds
    sys.exit(main())
