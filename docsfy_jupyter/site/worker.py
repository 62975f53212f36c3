"""The rendering process: it answers a line of JSON with a job by one with its report, or with a sentence as ``error``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from docsfy_jupyter.lines import answer_lines
from docsfy_jupyter.site.ahead import write_ahead
from docsfy_jupyter.site.jobs import ahead_from_data, job_from_data
from docsfy_jupyter.site.render import render_site


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Render a ``site``, or write pages ``ahead``."""
    try:
        if "ahead" in request:
            return {"written": write_ahead(ahead_from_data(request["ahead"]))}
        return asdict(render_site(job_from_data(request["site"])))
    except (OSError, ValueError) as error:
        return {"error": str(error)}


if __name__ == "__main__":
    answer_lines(answer)
