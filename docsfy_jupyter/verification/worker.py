"""The checking process: it answers a line of JSON with a job by one with its report."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

from docsfy_jupyter.lines import answer_lines
from docsfy_jupyter.verification.check import check
from docsfy_jupyter.verification.jobs import CheckJob, OutOfTime


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Return the report of a ``check``, or that it was ``out_of_time``."""
    try:
        return asdict(check(CheckJob.from_data(request["check"])))
    except OutOfTime:
        return {"out_of_time": True}


if __name__ == "__main__":
    sys.setrecursionlimit(5000)
    answer_lines(answer)
