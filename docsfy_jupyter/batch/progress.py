"""A file in which the kernel tells the command that waits for it how far the batch is; one JSON object a line.

A line has the variants that changed since the one before, so that the file grows with what happens, not with its square.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
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
        self._told: Sequence[dict[str, Any] | None] = ()
        self._batch_ids: list[str] = []

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> ProgressFile:
        """Return the file that the environment names."""
        return cls(Path(environ[VARIABLE]) if environ.get(VARIABLE) else None)

    def write(self, state: State, result: BatchResult | None = None) -> None:
        """Append what is new, and the result at the end; nothing where nothing is."""
        if self._path is None:
            return
        now = [vars(one) for one in state.results()]
        before = self._told or [None] * len(now)
        changed = {number: one for number, (one, old) in enumerate(zip(now, before, strict=True)) if one != old}
        if not changed and result is None and state.batch_ids == self._batch_ids:
            return
        line = {"batch_ids": state.batch_ids, "started_at": state.started_at, "changed": changed}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**line, "result": None if result is None else result.to_json()}) + "\n")
        self._told, self._batch_ids = now, [*state.batch_ids]


class ProgressReader:
    """Read by the command: what is new since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self._variants: dict[int, Any] = {}
        self.last: dict[str, Any] = {}

    def news(self) -> Iterator[dict[str, Any]]:
        """Yield the whole state, ``variants`` and all, after each whole line that was written since the last call."""
        with self._path.open("rb") as file:
            file.seek(self._at)
            while (line := file.readline()).endswith(b"\n"):
                self._at += len(line)
                told = json.loads(line)
                self._variants |= {int(number): one for number, one in told.pop("changed").items()}
                self.last = {**told, "variants": [self._variants[number] for number in sorted(self._variants)]}
                yield self.last
