"""What all panels of one kernel share: the connection, one poller a variant, and which panel stands in which cell."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from typing import Any, Protocol
from weakref import WeakSet, WeakValueDictionary

from IPython.core.getipython import get_ipython
from IPython.display import display

from docsfy_jupyter.client.client import DocsfyClient, connect
from docsfy_jupyter.errors import DocsfyError
from docsfy_jupyter.models import VariantKey
from docsfy_jupyter.widgets.poller import Poller

_WIDGET = "application/vnd.jupyter.widget-view+json"


class Shown(Protocol):
    """A panel, as far as its cell is concerned."""

    def close(self) -> None:
        """Leave nothing behind."""
        ...


class KernelPanels:
    """The owner of what the panels of one kernel share; `kernel_panels` returns the kernel's own."""

    def __init__(self, find: Callable[[], DocsfyClient] = connect) -> None:
        self._find = find
        self._lock = threading.Lock()
        self._client: DocsfyClient | None = None
        self._pollers: WeakValueDictionary[tuple[str, VariantKey], Poller] = WeakValueDictionary()
        self._cells: dict[str, tuple[str, WeakSet[Any]]] = {}

    def client(self) -> DocsfyClient:
        """Return the connection that panels without one of their own share.

        Raises
        ------
        ServerNotFound
        """
        with self._lock:
            if self._client is None:
                self._client = self._find()
            return self._client

    def poller(self, client: DocsfyClient, key: VariantKey) -> Poller:
        """Return the one poller of a variant; it lives as long as a panel holds it."""
        with self._lock:
            poller = self._pollers.get((client.url, key))
            if poller is None:
                poller = self._pollers[client.url, key] = Poller(client, key)
            return poller

    def enter_cell(self, panel: Shown) -> None:
        """Note that a panel is shown by the cell that runs now, and close those of the cell's earlier runs.

        The front end drops their views without a word to the kernel; without this every run of a cell would leave a
        thread, a widget and a request every three seconds.
        """
        cell, run = _running_cell()
        if cell is None:
            return
        earlier, panels = self._cells.get(cell, (run, WeakSet()))
        if earlier != run:
            for old in [old for old in panels if old is not panel and not self._elsewhere(old, cell)]:
                old.close()
            panels = WeakSet()
        panels.add(panel)
        self._cells[cell] = (run, panels)

    def _elsewhere(self, panel: Shown, cell: str) -> bool:
        return any(panel in panels for other, (_, panels) in self._cells.items() if other != cell)


@functools.cache
def kernel_panels() -> KernelPanels:
    """Return what the panels of this process share."""
    return KernelPanels()


def in_kernel() -> bool:
    """Whether this process is a Jupyter kernel, so that a widget can be shown."""
    return getattr(get_ipython(), "kernel", None) is not None


def show_live(widget: Any) -> bool:
    """Show a widget's live view where this process is a kernel; return whether it is."""
    if in_kernel():
        data = {_WIDGET: {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}, "text/plain": ""}
        display(data, raw=True)  # type: ignore[no-untyped-call]
    return in_kernel()


def answer_of(call: Callable[[], Any], log: logging.Logger) -> dict[str, Any]:
    """Do what a view asked for, and return what it is told: its ``data``, or its ``error`` as a sentence."""
    try:
        return {"data": call()}
    except DocsfyError as error:
        return {"error": str(error)}
    except Exception as error:
        log.exception("a request of a view failed")
        return {"error": f"{type(error).__name__}: {error}"}


def milliseconds(poll_interval: float) -> int:
    """Return the time between polls for the view.

    Raises
    ------
    ValueError
        It is below 1 second.
    """
    if not poll_interval >= 1:
        raise ValueError(f"poll_interval={poll_interval!r} is below the minimum of 1 second")
    return round(poll_interval * 1000)


def _running_cell() -> tuple[str | None, str]:
    """Return the id of the cell that runs now and that of its execution; (None, "") where the front end does not say."""
    kernel = getattr(get_ipython(), "kernel", None)
    parent = kernel.get_parent("shell") if kernel is not None else None
    if not isinstance(parent, dict):
        return None, ""
    cell = (parent.get("metadata") or {}).get("cellId")
    return (str(cell) if cell else None), str((parent.get("header") or {}).get("msg_id", ""))
