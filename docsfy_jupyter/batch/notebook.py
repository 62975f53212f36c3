"""What the batch notebook calls: check, run, show, raise. It stays as thin as its cells."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import ipywidgets  # type: ignore[import-untyped]
from IPython.display import display

from docsfy_jupyter import errors
from docsfy_jupyter.batch import steps
from docsfy_jupyter.batch.chart import stage_chart
from docsfy_jupyter.batch.parameters import BatchParameters, read_parameters
from docsfy_jupyter.batch.progress import ProgressFile
from docsfy_jupyter.batch.result import RESULT_TYPE, BatchResult
from docsfy_jupyter.batch.summary import as_html, as_markdown, as_text, headline, live_html, live_text
from docsfy_jupyter.batch.variants import Wanted, expand
from docsfy_jupyter.client.client import AsyncDocsfyClient, DocsfyClient, connect
from docsfy_jupyter.models import utc_now

_WIDGET = "application/vnd.jupyter.widget-view+json"
_COMMANDS_OWN = "on_finished"  # a batch file has it too, and is given to papermill by -f
_LITERALS = (str, int, float, bool, list, dict, tuple, type(None))


class Batch:
    """A batch, ready to run; `Batch.of` makes one of a notebook's parameters.

    Parameters
    ----------
    parameters : BatchParameters
        Valid.
    client : DocsfyClient, optional
        `connect` with the parameters' ``server_url`` otherwise.

    Attributes
    ----------
    wanted : tuple of Wanted
        What will be brought up to date.
    result : BatchResult or None
        What came of it, once it has run; a cell that ends with `receipt` shows it.
    """

    def __init__(self, parameters: BatchParameters, client: DocsfyClient | None = None) -> None:
        self.parameters = parameters
        self.wanted: tuple[Wanted, ...] = expand(parameters)
        self.result: BatchResult | None = None
        self._client = client
        self._runs_no_command = False

    @classmethod
    def of(cls, namespace: Mapping[str, Any], client: DocsfyClient | None = None) -> Batch:
        """Check a notebook's parameters before anything starts.

        Parameters
        ----------
        namespace : mapping
            ``globals()``, right below the parameters: a name that no batch has is a mistyped parameter. papermill only
            warns of one, and would run the default.
        client : DocsfyClient, optional
            As for `Batch`.

        Raises
        ------
        InvalidBody
            With every fault, and how to write it right.
        ServerNotFound
            There is no server, or several.
        """
        given = {name: value for name, value in namespace.items() if _is_parameter(name, value)}
        command = given.pop(_COMMANDS_OWN, None)
        parameters = read_parameters(given)
        batch = cls(parameters, client or connect(parameters.server_url))
        batch._runs_no_command = command is not None
        return batch

    def run(self) -> Batch:
        """Start everything and wait for the end, with a live table; never raises for a variant that fails."""
        client = self._client or connect(self.parameters.server_url)
        with _Table(self.wanted) as table:
            self.result = client.perform(steps.run(self.parameters, self.wanted, table.show))
            table.end(self.result)
        return self

    async def run_async(self, client: AsyncDocsfyClient) -> Batch:
        """Do as `run` does, awaited: the kernel's other tasks go on."""
        with _Table(self.wanted) as table:
            self.result = await client.perform(steps.run(self.parameters, self.wanted, table.show))
            table.end(self.result)
        return self

    @property
    def receipt(self) -> Receipt:
        """The summary, and the object that programs read.

        Raises
        ------
        BadRequest
            It has not run yet.
        """
        return Receipt(self._done())

    @property
    def chart(self) -> Chart:
        """How long each stage took."""
        return Chart(self._done())

    def check(self) -> None:
        """Raise when any variant failed, so that papermill's exit code is the truth.

        Raises
        ------
        BatchFailed
            With the failed variants and why; a `BatchTimeout` when it is the time limit alone.
        """
        result = self._done()
        if result.ok:
            return
        lines = [f"{variant.address}: {variant.outcome}, {variant.reason}" for variant in result.failed]
        late = all(variant.outcome == "timeout" for variant in result.failed)
        kind = errors.BatchTimeout if late else errors.BatchFailed
        raise kind("\n  ".join([f"{headline(result)}:", *lines]), result=result.to_json())

    def _done(self) -> BatchResult:
        if self.result is None:
            raise errors.BadRequest("This batch has not run yet: call run() first.")
        return self.result

    def __repr__(self) -> str:
        lines = [f"  {one.label} of {one.repo}" for one in self.wanted]
        if self._runs_no_command:
            lines.append(f"{_COMMANDS_OWN} is left to `jupyter docsfy batch`: this notebook runs no command.")
        count = len(self.wanted)
        return "\n".join([f"{count} variant{'' if count == 1 else 's'}:", *lines])


def _is_parameter(name: str, value: object) -> bool:
    """Whether a name of a notebook's namespace was meant as a parameter: IPython's own and imports are none."""
    hidden = name.startswith("_") or name in ("In", "Out")
    return not hidden and isinstance(value, _LITERALS)


def _now() -> str:
    """Return the time with its zone: a receipt is read elsewhere, and later."""
    return f"{utc_now():%Y-%m-%d %H:%M UTC}"


class Receipt:
    """A result that shows itself: a table for people, `RESULT_TYPE` for programs."""

    def __init__(self, result: BatchResult) -> None:
        self._result = result

    def __repr__(self) -> str:
        return as_text(self._result)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {
            "text/plain": as_text(self._result),
            "text/markdown": as_markdown(self._result),
            "text/html": as_html(self._result),
            RESULT_TYPE: self._result.to_json(),
        }


class Chart:
    """The chart of a result's stages."""

    def __init__(self, result: BatchResult) -> None:
        self._result = result

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return stage_chart(self._result.variants)


class _Table:
    """The live table: a widget while it runs, and its last state as text and HTML, which outlives the kernel."""

    def __init__(self, wanted: tuple[Wanted, ...]) -> None:
        self._state = steps.State(wanted)
        self._widget = ipywidgets.HTML()
        self._handle: Any = None
        self._file = ProgressFile.of(os.environ)

    def __enter__(self) -> _Table:
        self._handle = display(self._bundle(live=True), raw=True, display_id=True)  # type: ignore[no-untyped-call]
        return self

    def show(self, state: steps.State) -> None:
        self._state = state
        self._widget.value = live_html(state.results(), _now())
        self._file.write(state)

    def end(self, result: BatchResult) -> None:
        """Show what came of it; called before the table is left."""
        self._file.write(self._state, result)

    def __exit__(self, *_: object) -> None:
        # without the widget: what is reopened without a kernel could not show it
        if self._handle is not None:
            self._handle.update(self._bundle(live=False), raw=True)
        self._widget.close()

    def _bundle(self, *, live: bool) -> dict[str, Any]:
        results, as_of = self._state.results(), _now()
        bundle: dict[str, Any] = {"text/plain": live_text(results, as_of), "text/html": live_html(results, as_of)}
        if live:
            self._widget.value = bundle["text/html"]
            bundle[_WIDGET] = {"version_major": 2, "version_minor": 0, "model_id": self._widget.model_id}
        return bundle
