"""What a list shows of each variant, made once a change: a dashboard asks for all of them every three seconds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from docsfy_jupyter.models import Variant, VariantKey
from docsfy_jupyter.screen import screen


class Summaries:
    """Remembers the summary of every row that was asked for.

    Reading a plan takes a third of a millisecond; of 100 rows at every poll that would stall the event loop by 30 ms.
    """

    def __init__(self) -> None:
        self._made: dict[VariantKey, tuple[Variant, dict[str, Any]]] = {}

    def of(self, rows: Iterable[Variant]) -> list[dict[str, Any]]:
        """Return `screen` of each row, without its log."""
        return [self._summary(row) for row in rows]

    def _summary(self, row: Variant) -> dict[str, Any]:
        known = self._made.get(row.key)
        if known is None or known[0] is not row:
            known = (row, {name: value for name, value in screen(row).items() if name != "log"})
            self._made[row.key] = known
        return known[1]
