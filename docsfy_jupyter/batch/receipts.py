"""Receipts: notebooks that tell what a batch did. Their names, what they hold, and a note where one was cut off."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from docsfy_jupyter.batch.result import RESULT_TYPE, BatchResult

_TRIES = 1000


def reserve(folder: Path, stem: str, now: datetime) -> Path:
    """Make the empty file of a new receipt, ``<time>-<stem>.ipynb``; two that begin in one second have two names.

    Raises
    ------
    OSError
        The folder cannot be made or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    safe = re.sub(r"[^\w.-]+", "-", stem)[:80].strip("-.") or "batch"
    for number in range(1, _TRIES):
        more = "" if number == 1 else f"-{number}"
        path = folder / f"{now:%Y%m%dT%H%M%SZ}-{safe}{more}.ipynb"
        try:
            path.open("x").close()
        except FileExistsError:
            continue
        return path
    raise FileExistsError(f"{folder} has {_TRIES} receipts of this second already")


def outputs(receipt: Path) -> list[dict[str, Any]]:
    """Return all outputs of a notebook; none where there is no notebook yet."""
    try:
        cells = json.loads(receipt.read_text("utf-8"))["cells"]
    except (OSError, ValueError, KeyError):
        return []
    return [output for cell in cells for output in cell.get("outputs", [])]


def has_begun(receipt: Path) -> bool:
    """Whether any cell of a notebook was executed."""
    try:
        cells = json.loads(receipt.read_text("utf-8"))["cells"]
    except (OSError, ValueError, KeyError):
        return False
    return any(cell.get("execution_count") or cell.get("outputs") for cell in cells)


def read_result(receipt: Path) -> BatchResult | None:
    """Return the result that a receipt holds; None where the batch did not get there."""
    found = [output["data"][RESULT_TYPE] for output in outputs(receipt) if RESULT_TYPE in output.get("data", {})]
    return BatchResult.from_json(found[-1]) if found else None


def read_error(receipt: Path) -> tuple[str, str] | None:
    """Return name and text of the last error in a receipt."""
    found = [output for output in outputs(receipt) if output.get("output_type") == "error"]
    return (str(found[-1]["ename"]), str(found[-1]["evalue"])) if found else None


def add_note(receipt: Path, markdown: str, result: BatchResult) -> None:
    """Append a cell that says how a batch was cut off, with its result as far as it is known."""
    try:
        notebook = json.loads(receipt.read_text("utf-8"))
    except (OSError, ValueError):
        notebook = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    data = {"text/markdown": markdown, RESULT_TYPE: result.to_json()}
    shown = {"output_type": "display_data", "data": data, "metadata": {}}
    cell = {"cell_type": "code", "id": "cut-off", "source": "", "metadata": {"tags": ["docsfy-note"]}, "outputs": [shown]}
    notebook["cells"].append({**cell, "execution_count": None})
    receipt.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")
