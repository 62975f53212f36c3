"""A file in which the kernel tells the command that waits for it how far the batch is; one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from docsfy_jupyter.batch.result import BatchResult
from docsfy_jupyter.batch.steps import State

VARIABLE = "DOCSFY_BATCH_PROGRESS"


class ProgressFile:
    """Written by the kernel; without a file nothing is written.

    Parameters
    ----------
    path : Path or None
        The file, which exists.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._last = ""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> ProgressFile:
        """Return the file that the environment names."""
        return cls(Path(environ[VARIABLE]) if environ.get(VARIABLE) else None)

    def write(self, state: State, result: BatchResult | None = None) -> None:
        """Append the state, and the result at the end; an equal state is written once."""
        if self._path is None:
            return
        now = {"batch_id": state.batch_id, "started_at": state.started_at, "variants": [vars(one) for one in state.results()]}
        line = json.dumps({**now, "result": None if result is None else result.to_json()})
        if line != self._last:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
            self._last = line


class ProgressReader:
    """Read by the command: what is new since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self.last: dict[str, Any] = {}

    def news(self) -> Iterator[dict[str, Any]]:
        """Yield every whole line that was written since the last call."""
        with self._path.open("rb") as file:
            file.seek(self._at)
            while (line := file.readline()).endswith(b"\n"):
                self._at += len(line)
                self.last = json.loads(line)
                yield self.last
