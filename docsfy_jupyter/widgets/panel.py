"""`StatusPanel`: one variant in a notebook cell, live while it runs and true afterwards."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Literal, Self

import anywidget
from IPython.display import display, update_display
from traitlets import Dict, Int, List, Unicode

from docsfy_jupyter import errors
from docsfy_jupyter.client.client import DocsfyClient
from docsfy_jupyter.models import Variant, VariantKey, utc_now
from docsfy_jupyter.view import bundled, read_asset
from docsfy_jupyter.widgets.kernel import KernelPanels, answer_of, in_kernel, kernel_panels, milliseconds, show_live
from docsfy_jupyter.widgets.poller import Poller
from docsfy_jupyter.widgets.seen import Notice, Seen, traits
from docsfy_jupyter.widgets.waiting import change_line, check_on_error, in_words, outcome, settled
from docsfy_jupyter.widgets.wire import again, body_of, is_of, key_of, shown_key

_FIRST_ANSWER = 2.0  # seconds that a cell waits for the first answer, so that what it shows is the state


class StatusPanel(anywidget.AnyWidget):
    """The live status of one variant: progress, activity log, abort and regenerate.

    Parameters
    ----------
    name, provider, model : str
        The variant, for instance ``"demo", "local", "static"``. It need not exist yet: the panel offers to generate it,
        and takes up a run that starts elsewhere.
    branch, owner : str, optional
        The default branch and the caller otherwise.
    client : DocsfyClient, optional
        `docsfy_jupyter.connect` otherwise, shared by all panels.
    poll_interval : float
        Seconds between polls, at least 1.

    Attributes
    ----------
    status, stage, error_message : str or None
        Of the latest run; can be observed. Observers are called from the polling thread.
    page_count, total : int
        Pages that are done, and pages of the plan (0 while there is none).

    Raises
    ------
    ValueError
        `poll_interval` is below 1.
    """

    _esm = bundled("panel.js")
    _css = read_asset("panel.css")

    key = Dict().tag(sync=True)
    interval = Int().tag(sync=True)
    server_id = Unicode().tag(sync=True)
    public_base = Unicode().tag(sync=True)
    panel_id = Unicode().tag(sync=True)
    state = Dict().tag(sync=True)
    entries: List[dict[str, Any]] = List().tag(sync=True)

    _closed = True  # until it is made: ipywidgets closes also what could not be

    status = Unicode(None, allow_none=True, read_only=True)
    stage = Unicode(None, allow_none=True, read_only=True)
    error_message = Unicode(None, allow_none=True, read_only=True)
    page_count = Int(0, read_only=True)
    total = Int(0, read_only=True)

    def __init__(
        self,
        name: str,
        provider: str,
        model: str,
        *,
        branch: str | None = None,
        owner: str | None = None,
        client: DocsfyClient | None = None,
        poll_interval: float = 3.0,
    ) -> None:
        interval = milliseconds(poll_interval)
        self._shared: KernelPanels = kernel_panels()
        self._told = threading.Condition()
        self._seen = Seen()
        self._shown = Seen()  # of which the view and the still have been told: what a wait goes by
        self._watching = 0  # who needs the poller: the view, and each caller that waits
        self._viewed = False
        self._closed = False
        self._displayed = False
        self._poller: Poller | None = None
        self._client = client
        self._seconds = float(poll_interval)
        self._variant_key = VariantKey(name, branch or "", provider, model, owner or "")
        state, log = self._seen.to_json()
        super().__init__(
            key=shown_key(self._variant_key),
            interval=interval,
            panel_id=uuid.uuid4().hex,
            state=state,
            entries=log,
            _view_count=0,
        )
        self.on_msg(self._on_message)
        self.observe(self._views_changed, "_view_count")
        self._attach(self._variant_key)

    @classmethod
    def of(cls, variant: Variant, **options: Any) -> Self:
        """Return the panel of a row; the options are those of the class."""
        return cls(variant.name, variant.ai_provider, variant.ai_model, branch=variant.branch, owner=variant.owner, **options)

    # -- what a person at the notebook can do

    @property
    def variant(self) -> Variant | None:
        """The last row that was seen."""
        return self._seen.variant

    def refresh(self) -> Self:
        """Ask the server once more; where threads cannot move a widget (Colab), this does."""
        if self._poller is None:
            self._attach(self._variant_key)
        elif not self._closed:
            self._poller.ask(self._take)
        return self

    def abort(self) -> Variant:
        """Abort the run that the panel shows; returns when its processes are dead.

        Raises
        ------
        NotFound, NotGenerating, AbortPending, ClientError
            A run that was started meanwhile is not aborted: that is a `Conflict`.
        """
        run = self._seen.variant.generation_id if self._seen.variant else None
        row = self._connected().abort(self._variant_key, generation_id=run)
        self._wake()
        return row

    def regenerate(
        self, *, force: bool = False, provider: str | None = None, model: str | None = None, pay: bool = False
    ) -> Self:
        """Run the variant once more; with another provider or model the panel moves to that variant.

        Parameters
        ----------
        force : bool
            Forget the cached pages first.
        provider, model : str, optional
            The variant's own otherwise.
        pay : bool
            Yes to what the button asks before `force`: a notebook that is run once more is no yes.

        Raises
        ------
        NotFound
            There is no variant yet: use `DocsfyClient.generate`.
        BadRequest, Conflict, ClientError
            The first also with `force` and without `pay` where that costs or may: pages and last price are named.
        """
        row = self._seen.variant or self._connected().get(self._variant_key)
        body = again(row, provider=provider or row.ai_provider, model=model or row.ai_model, force=force)
        if force and not pay:
            found = self._connected().estimate(**body)
            if not (found["free"] or found["unavailable"]):  # what cannot start costs nothing, and the start says why
                raise errors.BadRequest(f"Nothing was started: {found['question']} Pass pay=True if so.")
        self._generate(body)
        return self

    def delete(self) -> None:
        """Delete the variant that the panel shows, with its pages and its site: asks nothing, like `DocsfyClient.delete`.

        The panel stays with what is gone: a cell that is run again deletes no other branch's variant in its place.

        Raises
        ------
        NotFound, Ambiguous, AlreadyGenerating, ClientError
        """
        if self._seen.gone:
            raise errors.NotFound(f"{in_words(self._seen, self._variant_key)}.")
        row = self._seen.variant or self._connected().get(self._variant_key)
        if self._variant_key != row.key:
            self._move(row.key)
            self._learn(row)
        try:
            self._connected().delete(row)
        finally:
            self.refresh()

    def wait(self, timeout: float | None = None, on_error: Literal["raise", "return"] = "raise") -> Variant:
        """Wait for the end of the run; the panel moves meanwhile.

        Parameters
        ----------
        timeout : float, optional
            Seconds.
        on_error : {"raise", "return"}
            What a run that ends in ``error`` or ``aborted`` does.

        Returns
        -------
        Variant
            The row at the end.

        Raises
        ------
        ValueError
            `on_error` is something else.
        GenerationFailed, GenerationAborted
            The run ended so; the row is in ``details['variant']``.
        TimeoutError
            With the last status.
        NotFound, TokenNotAccepted, ServerUnreachable, ClientError
            There is nothing to wait for.
        """
        check_on_error(on_error)
        end = None if timeout is None else time.monotonic() + timeout
        said = ""
        self._watching += 1
        self._listen()
        try:
            if self._seen.over:
                self.refresh()  # somebody may have begun a new run since
            while not (settled(self._shown, utc_now()) or self._closed or self._poller is None):
                said = self._say_change(said)
                left = 1.0 if end is None else end - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"{in_words(self._seen, self._variant_key)} after {timeout:g} s")
                with self._told:
                    self._told.wait(min(left, 1.0))
            self._say_change(said)
        finally:
            self._watching -= 1
            self._rest_if_unseen()
        return outcome(self._seen, self._variant_key, on_error)

    async def done(self, timeout: float | None = None, on_error: Literal["raise", "return"] = "raise") -> Variant:
        """Wait like `wait`, awaited: other cells' tasks go on meanwhile."""
        return await asyncio.to_thread(self.wait, timeout, on_error)

    def close(self) -> None:
        """Leave nothing behind: no request, no thread, no widget. The still of the last state stays in the notebook."""
        if self._closed:
            return
        self._closed = True
        if self._poller is not None:
            self._poller.leave(self._take)
        layout = self.layout
        super().close()
        layout.close()  # a widget of its own, which ipywidgets would leave behind

    # -- watching

    def _attach(self, key: VariantKey) -> None:
        """Watch a variant from now on."""
        if self._poller is not None:
            self._poller.leave(self._take)
        self._variant_key = key
        try:
            client = self._connected()
        except errors.DocsfyError as error:
            self._poller = None
            self._take(Seen(notice=Notice("unreachable", str(error))))
            return
        self.public_base = client.url.removesuffix("docsfy/")
        self._poller = self._shared.poller(client, key)
        self._take(self._poller.seen)
        self._poller.listen(self._take, self._seconds)

    def _connected(self) -> DocsfyClient:
        self._client = self._client or self._shared.client()
        return self._client

    def _wake(self) -> None:
        if self._poller is not None and not self._closed:
            self._poller.wake()

    def _listen(self) -> None:
        if self._poller is not None and not self._closed:
            self._poller.listen(self._take, self._seconds)

    def _views_changed(self, change: Mapping[str, Any]) -> None:
        """Rest while no page shows the panel any more; before the first view (papermill, a busy page) it works."""
        count = change["new"] or 0
        self._viewed = self._viewed or bool(count)
        if count:
            self._listen()
        else:
            self._rest_if_unseen()

    def _rest_if_unseen(self) -> None:
        if self._viewed and not self._view_count and not self._watching and self._poller is not None:
            self._poller.leave(self._take)

    def _take(self, seen: Seen) -> None:
        """Show what is known; called from the polling thread, and at the start from the kernel's."""
        if self._closed:
            return
        before, self._seen = self._seen, seen
        state, log = seen.to_json()
        row = seen.variant
        if row is not None and not self._variant_key.branch:
            self.key = {**self.key, "branch": row.branch}
        self.server_id = seen.server or self.server_id
        self.entries, self.state = log, state
        for name, value in traits(row, state).items():
            self.set_trait(name, value)
        if before.step != seen.step:
            self._renew_still()
        with self._told:
            self._shown = seen
            self._told.notify_all()

    # -- the still beside the widget

    def __repr__(self) -> str:
        self._await_first_answer()
        return self._still()["text/plain"]

    def _await_first_answer(self) -> None:
        with self._told:
            self._told.wait_for(lambda: self._shown != Seen() or self._closed, _FIRST_ANSWER)

    def _ipython_display_(self) -> None:
        """Show a still, for exports and readers without a kernel, and the live panel, which hides it."""
        self._await_first_answer()
        self._shared.enter_cell(self)
        display(self._still(), raw=True, display_id=self.panel_id)  # type: ignore[no-untyped-call]
        self._displayed = not self._closed and show_live(self)

    def _still(self) -> dict[str, str]:
        return self._seen.still(self._variant_key, self.panel_id)

    def _renew_still(self) -> None:
        if self._displayed:
            update_display(self._still(), raw=True, display_id=self.panel_id)  # type: ignore[no-untyped-call]

    # -- messages of the view, where the browser cannot reach the server by itself

    def _on_message(self, _: Any, content: object, buffers: object = None) -> None:
        message = content if isinstance(content, dict) else {}
        kind = message.get("type")
        if kind in ("ping", "refresh"):
            self._reply(message)
            if kind == "refresh":
                self._wake()
        elif kind == "move" and isinstance(message.get("key"), dict):
            self._move(key_of(message["key"]))
        elif kind in ("abort", "delete", "generate", "estimate", "models"):
            threading.Thread(target=self._serve, args=(message,), name="docsfy request", daemon=True).start()

    def _serve(self, message: dict[str, Any]) -> None:
        """Carry out one request of the view, off the kernel's own thread, and answer it."""
        verbs: dict[str, Callable[[dict[str, Any]], Any]] = {
            "abort": lambda m: self._connected().abort(self._variant_key, generation_id=m.get("generation_id")).address,
            "delete": lambda _: self.delete(),
            "generate": lambda m: self._generate(body_of(m.get("body"))),
            "estimate": lambda m: self._connected().estimate(**body_of(m.get("body"))),
            "models": lambda _: self._connected().models(),
        }
        self._reply(message, **answer_of(lambda: verbs[message["type"]](message), self.log))
        self._wake()

    def _reply(self, message: dict[str, Any], **content: Any) -> None:
        if not self._closed:
            self.send({"reply": message.get("id"), **content})

    def _generate(self, body: dict[str, Any]) -> dict[str, Any] | None:
        """Start a run; return the key that the panel moved to, None where it is the same variant."""
        row = self._connected().generate(**body)
        moved = not is_of(row, self._variant_key)
        if moved:
            self._move(row.key)
        self._learn(row)
        return shown_key(row.key) if moved else None

    def _learn(self, row: Variant) -> None:
        if self._poller is not None:
            self._poller.learn(row, self._take)

    def _move(self, key: VariantKey) -> None:
        if self._closed:
            return
        self.key = shown_key(key)
        self._attach(key)

    def _say_change(self, said: str) -> str:
        """Print one line for each change where no widget can be shown; return what was said last."""
        if in_kernel() or self._seen == Seen():
            return said
        text, line = change_line(self._seen, self._variant_key, utc_now(), said)
        if line is not None:
            print(line)  # noqa: T201  the caller's own thread, in a terminal
        return text
