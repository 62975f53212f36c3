"""What the log is told once: a panel that waits for a variant asks every three seconds for what is not there yet."""

from __future__ import annotations

import logging
from collections.abc import Hashable
from typing import Any

ASKED_SETTING = "docsfy_asked"


class Asked:
    """What was asked for and is not there, the latest of it.

    Parameters
    ----------
    most : int
        How many are remembered.
    """

    def __init__(self, most: int = 1000) -> None:
        self._most = most
        self._known: dict[Hashable, None] = {}

    def again(self, what: Hashable) -> bool:
        """Say whether this was asked for already, and remember it."""
        known = what in self._known
        self._known.pop(what, None)
        self._known[what] = None
        if len(self._known) > self._most:
            del self._known[next(iter(self._known))]
        return known


class DebugLog(logging.LoggerAdapter[logging.Logger]):
    """A log that takes everything as a message for debugging."""

    def log(self, level: int, msg: object, *args: Any, **kwargs: Any) -> None:
        """Log at the level of debugging, whatever is asked for."""
        super().log(logging.DEBUG, msg, *args, **kwargs)
