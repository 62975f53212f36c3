"""`Dashboard`: all variants of the server in one table, and its latest runs."""

from __future__ import annotations

import html
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import anywidget
from IPython.display import display
from traitlets import Int, Unicode

from docsfy_jupyter import errors
from docsfy_jupyter.client.client import DocsfyClient
from docsfy_jupyter.models import utc_now
from docsfy_jupyter.screen import local_time
from docsfy_jupyter.view import bundled, read_asset
from docsfy_jupyter.widgets.kernel import answer_of, kernel_panels, milliseconds, show_live
from docsfy_jupyter.widgets.wire import body_of

_FILTERS = ("limit", "offset", "status", "provider", "q", "outcome")


class Dashboard(anywidget.AnyWidget):
    """Every variant with its status, filtered by status and text; its latest runs; and a form for new ones.

    The table polls from the browser, so it needs nothing of the kernel once it is shown; where the page has no Jupyter
    server of its own (VS Code, Colab) the kernel asks for it.

    Parameters
    ----------
    client : DocsfyClient, optional
        `docsfy_jupyter.connect` otherwise, shared by all panels.
    poll_interval : float
        Seconds between polls, at least 1; one request each, whatever the number of variants.

    Raises
    ------
    ValueError
        `poll_interval` is below 1.
    """

    _esm = bundled("dashboard.js")
    _css = read_asset("panel.css")

    _closed = True  # until it is made: ipywidgets closes also what could not be

    interval = Int().tag(sync=True)
    server_id = Unicode().tag(sync=True)
    panel_id = Unicode().tag(sync=True)

    def __init__(self, *, client: DocsfyClient | None = None, poll_interval: float = 3.0) -> None:
        interval = milliseconds(poll_interval)
        self._client = client
        self._closed = False
        self._problem: str | None = None
        self._rows: list[dict[str, Any]] = []
        super().__init__(interval=interval, panel_id=uuid.uuid4().hex)
        self.on_msg(self._on_message)
        self.refresh()

    def refresh(self) -> Dashboard:
        """Read the table anew for the text forms; the live table does so by itself."""
        try:
            table = self._connected().listing(limit=100)
            self.server_id, self._rows, self._problem = table["server"], table["projects"], None
        except errors.DocsfyError as error:
            self._problem = str(error)
        return self

    def close(self) -> None:
        """Leave nothing behind."""
        if not self._closed:
            self._closed = True
            super().close()

    def _connected(self) -> DocsfyClient:
        self._client = self._client or kernel_panels().client()
        return self._client

    def _ipython_display_(self) -> None:
        kernel_panels().enter_cell(self)
        display(self._still(), raw=True)  # type: ignore[no-untyped-call]
        if not self._closed:
            show_live(self)

    def __repr__(self) -> str:
        return self._still()["text/plain"]

    def _still(self) -> dict[str, str]:
        return still_of(self._rows, self._problem, self.panel_id)

    def _on_message(self, _: Any, content: object, buffers: object = None) -> None:
        if isinstance(content, dict) and content.get("type") == "call":
            threading.Thread(target=self._serve, args=(content,), name="docsfy request", daemon=True).start()

    def _serve(self, message: Mapping[str, Any]) -> None:
        """Answer a request of a page that cannot reach the server by itself, off the kernel's own thread."""
        calls: dict[tuple[Any, Any], Callable[[DocsfyClient], Any]] = {
            ("GET", "api/projects"): lambda client: client.listing(**_filters(message)),
            ("GET", "api/runs"): lambda client: client.runs(**_filters(message)),
            ("GET", "api/models"): lambda client: client.models(),
            ("POST", "api/estimate"): lambda client: client.estimate(**body_of(message.get("body"))),
            ("POST", "api/generate"): lambda client: _started(client, message.get("body")),
        }
        call = calls.get((message.get("method"), message.get("path")))
        if call is None:
            answer = {"error": "The kernel does not make this request."}
        else:
            answer = answer_of(lambda: call(self._connected()), self.log)
        if not self._closed:
            self.send({"reply": message.get("id"), **answer})


def _filters(message: Mapping[str, Any]) -> dict[str, str]:
    query = message.get("query")
    known = query.items() if isinstance(query, dict) else ()
    return {name: str(value) for name, value in known if name in _FILTERS and value not in ("", None)}


def _started(client: DocsfyClient, body: object) -> dict[str, str]:
    row = client.generate(**body_of(body))
    return {"project": row.name, "branch": row.branch}


def still_of(rows: Iterable[Mapping[str, Any]], problem: str | None, panel_id: str) -> dict[str, str]:
    """Return the table as text and as plain HTML, for exports and readers without a kernel."""
    as_of = f"as of {local_time(utc_now())}"
    if problem is not None:
        return {"text/plain": f"Documentation sets: {problem} · {as_of}"}
    lines = [(row["name"], f"{row['ai_provider']}/{row['ai_model']}", row["branch"], row["status"], row["text"]) for row in rows]
    texts = [f"{name} · {ref} · {status} · {pages} · {branch}" for name, ref, branch, status, pages in lines]
    cells = "".join("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in line) + "</tr>" for line in lines)
    heads = "".join(f"<th>{head}</th>" for head in ("Name", "Provider and model", "Branch", "Status", "Pages"))
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{cells}</tbody></table>" if lines else "<p>Nothing generated yet.</p>"
    return {
        "text/plain": "\n".join([*(texts or ["Nothing generated yet."]), as_of]),
        "text/html": f'<div class="docsfy-still" data-docsfy-panel="{html.escape(panel_id)}">{table}<p>{as_of}</p></div>',
    }
