"""The one tree of exceptions: what happened, what it means, what to do. No HTTP and no SQL here.

Every class carries a ``code``, one word that programs can compare. Which HTTP status a class becomes is decided in
one table, in ``docsfy_jupyter.server.errors``.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

_PACKAGE = os.path.join(os.path.dirname(__file__), "")
_IPYTHON = f"{os.sep}IPython{os.sep}"  # the lines that run a cell come before the cell's own


class DocsfyError(Exception):
    """Base of every error that docsfy_jupyter raises on purpose.

    Parameters
    ----------
    message : str
        One or two sentences for a person: what happened, what it means, what to do.
    **details : Any
        JSON-able facts that travel with the error (``candidates``, ``faults``, ``holder`` …).
    """

    code = "error"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = details

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self.details))

    def _render_traceback_(self) -> list[str]:
        # IPython asks for it: a cell shows its own lines and the message, not forty of this package's above it
        before = takewhile(lambda frame: not frame.filename.startswith(_PACKAGE), traceback.extract_tb(self.__traceback__))
        own = traceback.StackSummary.from_list([frame for frame in before if _IPYTHON not in frame.filename])
        return [*(line.rstrip() for line in own.format()), f"{type(self).__name__}: {self}"]


def _rebuild(kind: type[DocsfyError], message: str, details: dict[str, Any]) -> DocsfyError:
    return kind(message, **details)


class BadRequest(DocsfyError):
    """The request itself is wrong; nothing was started or changed."""

    code = "bad_request"


class InvalidBody(BadRequest):
    """A body did not validate; ``details['faults']`` lists ``{path, reason}`` of every fault."""

    code = "invalid"

    @classmethod
    def of(cls, faults: Sequence[dict[str, str]]) -> InvalidBody:
        """Build the error from its faults, all of them in the message."""
        text = "; ".join(f"{f['path']}: {f['reason']}" if f["path"] else f["reason"] for f in faults)
        return cls(text, faults=list(faults))

    def named(self, names: Mapping[str, str]) -> InvalidBody:
        """Return the same error in the names that somebody wrote for the fields that are `names`."""
        return InvalidBody.of([{**fault, "path": names.get(fault["path"], fault["path"])} for fault in self.details["faults"]])


class BatchFileWrong(BadRequest):
    """A batch file cannot be read, is not YAML or no batch; its message has the file's own words."""

    code = "batch_file"


class SourceRefused(BadRequest):
    """A repository address that the rules of this server do not allow; the message names the trait."""

    code = "source_refused"


PATH_SEARCHED = " PATH of the server: "  # in a message: what follows is long, and said once where there are several


class ProviderUnavailable(BadRequest):
    """The provider is unknown, not installed or not set up on this server."""

    code = "provider_unavailable"


class NotPermitted(DocsfyError):
    """The caller is known, but Jupyter's authorizer does not let them do this."""

    code = "not_permitted"


class NotFound(DocsfyError):
    """No such variant, run, site or path."""

    code = "not_found"


class Conflict(DocsfyError):
    """The present state does not allow this; nothing was changed."""

    code = "conflict"


class AlreadyGenerating(Conflict):
    """A run of this very variant is in progress."""

    code = "already_generating"


class NotGenerating(Conflict):
    """An abort, where nothing runs."""

    code = "not_generating"


class AbortPending(Conflict):
    """The children of the run were not dead in time; the abort goes on."""

    code = "abort_pending"


class NameTaken(Conflict):
    """The project name belongs to another repository of the same owner."""

    code = "name_taken"


class Ambiguous(Conflict):
    """Several variants fit; ``details['candidates']`` lists their addresses."""

    code = "ambiguous"


class NoSite(Conflict):
    """The variant has no site yet."""

    code = "no_site"


class StoreUnavailable(DocsfyError):
    """The database cannot be used now; ``details`` may hold ``holder`` (a process id)."""

    code = "store_unavailable"


class RunFailed(DocsfyError):
    """Base of everything that ends a run in ``error``."""

    code = "run_failed"


class SourceFailed(RunFailed):
    """The repository could not be cloned or read."""

    code = "source_failed"


class PlanInvalid(RunFailed):
    """The provider's plan cannot be used."""

    code = "plan_invalid"


class SteeringInvalid(RunFailed):
    """The repository's ``.docsfy.yaml`` cannot be read."""

    code = "steering_invalid"


class PagesFailed(RunFailed):
    """Some pages could not be generated; the good ones stay in the cache."""

    code = "pages_failed"


class CostLimitReached(RunFailed):
    """The run has cost what it may; its finished pages stay in the cache."""

    code = "cost_limit"


class RenderFailed(RunFailed):
    """The site could not be rendered."""

    code = "render_failed"


class ProviderFailed(RunFailed):
    """One call of a provider failed.

    Parameters
    ----------
    message : str
        The provider's own sentence where it has one.
    transient : bool
        Trying again may help.
    fatal : bool
        No other call of this run can succeed either (a hard limit, a login that has expired).
    cut_off : bool
        The call had begun, and may have cost although nobody tells how much: a limit of cost counts it.
    """

    code = "provider_failed"

    def __init__(
        self, message: str, *, transient: bool = False, fatal: bool = False, cut_off: bool = False, **details: Any
    ) -> None:
        super().__init__(message, transient=transient, fatal=fatal, cut_off=cut_off, **details)
        self.transient = transient
        self.fatal = fatal


class ChildError(RunFailed):
    """Base of what goes wrong with a child process."""

    code = "child_failed"


class ChildNotStarted(ChildError):
    """The program could not be started (not found, no permission, bad interpreter, argument list too long)."""

    code = "child_not_started"


class ChildTimeout(ChildError):
    """The program ran longer than its limit and was killed."""

    code = "child_timeout"


class ChildOutputTooLarge(ChildError):
    """The program wrote more than the limit and was killed."""

    code = "child_output_too_large"


class ClientError(DocsfyError):
    """Base of what goes wrong between a kernel or script and the server."""

    code = "client_error"


class ServerNotFound(ClientError):
    """No running Jupyter server with this extension could be found, or several could."""

    code = "server_not_found"


class ServerUnreachable(ClientError):
    """The server does not answer."""

    code = "server_unreachable"


class ExtensionNotEnabled(ClientError):
    """A Jupyter server answers, but not with this extension."""

    code = "extension_not_enabled"


class TokenNotAccepted(ClientError):
    """The token is missing or not accepted."""

    code = "token_not_accepted"


class GenerationFailed(ClientError):
    """A run that was waited for ended in ``error``; ``details['variant']`` is its row."""

    code = "generation_failed"


class GenerationAborted(ClientError):
    """A run that was waited for was aborted; ``details['variant']`` is its row."""

    code = "generation_aborted"


class BatchFailed(ClientError):
    """Some variants of a batch failed; ``details['result']`` is what came of all of them."""

    code = "batch_failed"


class BatchTimeout(BatchFailed, TimeoutError):
    """Some runs of a batch were not done in time, and nothing else failed."""

    code = "batch_timeout"


class BatchBusy(ClientError):
    """Another batch of the same file is in progress."""

    code = "batch_busy"
