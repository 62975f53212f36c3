"""The analysing process: one JSON request a line on stdin, its answer with the same ``id`` on stdout."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from docsfy_jupyter.lines import answer_lines
from docsfy_jupyter.models import Plan, TrackedFile
from docsfy_jupyter.providers.local.analysis import Analysis, analyse
from docsfy_jupyter.providers.local.planning import plan, write_page


class _Answers:
    """Answers requests about one checkout, which the first request names."""

    def __init__(self) -> None:
        self._analysis: Analysis | None = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer, with what went wrong as ``error``: the next request may do."""
        try:
            return self._answer(request)
        except Exception as error:  # noqa: BLE001 - whatever a repository's code brings about
            return {"error": f"{type(error).__name__}: {error}"}

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if "open" in request:
            job = request["open"]
            files = [TrackedFile(**f) for f in job["files"]]
            self._analysis = analyse(Path(job["checkout"]), files, job["project_name"], job["repo_url"], job["commit"])
            return {"modules": len(self._analysis.modules)}
        if self._analysis is None:
            return {"error": "the first request must open a checkout"}
        if "page" in request:
            planned = Plan.model_validate(request["plan"]) if request.get("plan") else Plan()
            markdown, images = write_page(self._analysis, planned, request["page"])
            return {"markdown": markdown, "files": list(images)}
        return {"plan": plan(self._analysis).model_dump()}


def main() -> None:
    """Answer until stdin ends."""
    sys.setrecursionlimit(5000)
    answer_lines(_Answers().answer, pooled=False)


if __name__ == "__main__":
    main()
