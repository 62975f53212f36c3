"""One thread a variant, shared by all who want to know of it; sequential, and gone when nobody does."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from typing import Protocol

from docsfy_jupyter.client.waiting import Polled
from docsfy_jupyter.errors import DocsfyError
from docsfy_jupyter.models import Variant, VariantKey, utc_now
from docsfy_jupyter.widgets.seen import Seen

Listener = Callable[[Seen], None]


class Polls(Protocol):
    """The one verb of a client that a poller needs."""

    def poll(self, variant: VariantKey, etag: str = "") -> Polled:
        """Ask whether a variant has changed."""
        ...


class Poller:
    """Polls one variant for its listeners.

    The thread lives while there are listeners and something can change; it ends with the run and is woken by `wake`.
    It never prints: what a thread prints lands in any cell.

    Parameters
    ----------
    client : Polls
        Asked, never twice at once.
    key : VariantKey
        Whose branch and owner may be empty: the server chooses.
    """

    def __init__(self, client: Polls, key: VariantKey) -> None:
        self._client = client
        self._key = key
        self._log = logging.getLogger(__name__)
        self._changed = threading.Condition()
        self._turn = threading.RLock()  # never two requests at once, and answers are told in their order
        self._listeners: dict[Listener, float] = {}
        self._thread: threading.Thread | None = None
        self._asked = False  # somebody wants an answer now
        self._asked_at = -math.inf
        self._etag = ""
        self.seen = Seen()

    @property
    def alive(self) -> bool:
        """Whether a thread polls."""
        return self._thread is not None

    def listen(self, listener: Listener, interval: float) -> None:
        """Begin to tell a listener, from the polling thread, of every answer; `interval` in seconds, the shortest counts.

        Where an answer is younger than that, it is told by `seen`, and no request is made for the newcomer.
        """
        with self._changed:
            self._listeners[listener] = interval
            fresh = time.monotonic() - self._asked_at < interval
            self._asked = self._asked or not fresh
            self._start()

    def leave(self, listener: Listener) -> None:
        """Stop telling a listener; without any the thread ends."""
        with self._changed:
            self._listeners.pop(listener, None)
            self._changed.notify_all()

    def wake(self) -> None:
        """Ask at once, also after the end of a run."""
        with self._changed:
            self._asked = True
            self._start()

    def _start(self) -> None:
        """Make the thread take notice, or begin it; called under the lock."""
        self._changed.notify_all()
        if self._thread is None and self._listeners and (self._asked or not self.seen.over):
            self._thread = threading.Thread(target=self._run, name=f"docsfy {self._key.name}", daemon=True)
            self._thread.start()

    def ask(self, also: Listener | None = None) -> None:
        """Ask in the caller's own thread, and tell the listeners, and one more that need not be one of them."""
        with self._turn:
            self.seen = self._poll()
            self._tell_all(also)
        with self._changed:
            self._start()  # a run may have begun meanwhile

    def learn(self, row: Variant, also: Listener | None = None) -> None:
        """Take a row that the server answered to somebody's action: it is newer than the last poll."""
        with self._turn:
            self._etag = ""
            self.seen = Seen(row, None, utc_now(), server=self.seen.server)
            self._tell_all(also)
        self.wake()

    def _tell_all(self, also: Listener | None) -> None:
        for listener in dict.fromkeys([*self._listeners, *([also] if also else [])]):
            try:
                listener(self.seen)
            except Exception:  # noqa: BLE001  one panel's fault must not blind the others
                self._log.exception("a listener of %s failed", self._key.address)

    def _run(self) -> None:
        while self._go_on():
            self.ask()  # no reference to a listener may stay here: a closed panel would live until the next turn

    def _go_on(self) -> bool:
        """Wait for the next turn; False, decided under the lock, ends the thread."""
        with self._changed:
            if not self.seen.over and self._listeners:
                self._changed.wait_for(lambda: self._asked or not self._listeners, min(self._listeners.values()))
            if self._listeners and (self._asked or not self.seen.over):
                self._asked = False
                self._asked_at = time.monotonic()
                return True
            self._thread = None
            return False

    def _poll(self) -> Seen:
        now = utc_now
        try:
            polled = self._client.poll(self._key, self._etag if self.seen.variant else "")
        except DocsfyError as error:
            return self.seen.failed(error, now())
        except Exception as error:  # noqa: BLE001  whatever it is, the panel says it and the next poll is made
            self._log.debug("poll of %s failed", self._key.address, exc_info=True)
            return self.seen.failed(error, now())
        self._etag = polled.etag
        return self.seen.answered(polled, now())
