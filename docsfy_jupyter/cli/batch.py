"""``jupyter docsfy batch``: a file of variants, brought up to date by a notebook that is its own receipt."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_runtime_dir

from docsfy_jupyter import errors
from docsfy_jupyter.batch.cutoff import abort_unfinished, cut_off
from docsfy_jupyter.batch.forecast import as_lines, forecast
from docsfy_jupyter.batch.papermill import Ended, check_installed, run_notebook
from docsfy_jupyter.batch.parameters import BatchFile, as_command
from docsfy_jupyter.batch.receipts import add_note, read_error, read_result, reserve
from docsfy_jupyter.batch.result import BatchResult
from docsfy_jupyter.batch.summary import as_markdown, as_text
from docsfy_jupyter.batch.text import parse
from docsfy_jupyter.batch.variants import Wanted, expand
from docsfy_jupyter.cli.bars import BatchBars
from docsfy_jupyter.cli.output import plain, print_json
from docsfy_jupyter.cli.session import open_client
from docsfy_jupyter.client.client import DocsfyClient
from docsfy_jupyter.locking import lock
from docsfy_jupyter.models import utc_now

_NO_SERVER = (
    "ServerNotFound",
    "ServerUnreachable",
    "ExtensionNotEnabled",
    "TokenNotAccepted",
    "NotPermitted",
    "StoreUnavailable",
)

_INTERRUPTED = 130


def batch(options: argparse.Namespace) -> int:
    """Run a batch file.

    Returns
    -------
    int
        0 all ready, 1 some failed, 2 the file is wrong, 3 no server, 130 ended by a signal.

    Raises
    ------
    DocsfyError
        The file is wrong (a `BadRequest`), another batch of it is in progress, there is no server or no papermill.
    """
    path = Path(options.file)
    file, wanted = _read(path)
    file = file.model_copy(update={name: True for name in ("retry_failed", "stale_only") if getattr(options, name)})
    _check_summary(options.summary)
    _check_receipts(Path(options.runs))
    url = options.url or file.server_url
    if options.dry_run:
        with open_client(url, options.token, options.data_dir, options.verify) as (client, _):
            return _show_forecast(client, file, wanted, as_json=options.json)
    check_installed()
    with _locked(path), open_client(url, options.token, options.data_dir, options.verify) as (client, _):
        code, document = _run(client, file, wanted, options)
    if file.on_finished:  # one that hangs keeps no other batch of this file away
        _finish(file.on_finished, document, path.absolute().parent)
    return code


def _read(path: Path) -> tuple[BatchFile, tuple[Wanted, ...]]:
    try:
        file = parse(path.read_text("utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise errors.BatchFileWrong(f"{path} cannot be read: {reason}") from None
    file = file.model_copy(update={"base_dir": str(path.absolute().parent / os.path.expanduser(file.base_dir))})
    try:
        return file, expand(file)
    except errors.InvalidBody as error:
        raise errors.BatchFileWrong(f"{path} is no batch: {error.message}", **error.details) from None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep a second batch of the same file away; the lock goes with the process, however it ends.

    A name is locked for the user, since an editor that saves by renaming puts another file in the place of the first; and the
    file itself, for other users.
    """
    name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:16]
    place = Path(jupyter_runtime_dir()) / f"docsfy-batch-{name}.lock"
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as stack:
        for held in (stack.enter_context(place.open("ab")), stack.enter_context(path.open("rb"))):
            try:
                lock(held.fileno())
            except BlockingIOError:
                raise errors.BatchBusy(f"Another batch of {path} is in progress on this machine; wait for its end.") from None
            except OSError:  # a disk that locks no file that is open for reading, as NFS; the user's own lock is held
                continue
        yield


def _check_summary(summary: str | None) -> None:
    """Refuse a file that cannot be written, before anything is paid for."""
    if not summary:
        return
    target = Path(summary)
    if target.is_dir():
        raise errors.BadRequest(f"--summary: {target} is a folder; name a file.")
    if not target.parent.is_dir():
        raise errors.BadRequest(f"--summary: there is no folder {target.parent}; make it, or name another file.")
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        raise errors.BadRequest(f"--summary: {target} cannot be written; name another file.")


def _check_receipts(folder: Path) -> None:
    """Refuse a folder that can take no receipt, before anything is paid for."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise errors.BadRequest(f"--output: {there} is a file; receipts need a folder.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise errors.BadRequest(f"--output: {there} cannot be written; name another folder.")


def _show_forecast(client: DocsfyClient, file: BatchFile, wanted: tuple[Wanted, ...], *, as_json: bool) -> int:
    found = client.perform(forecast(file, wanted))
    if as_json:
        print_json(found)
    else:
        print("\n".join(plain(line) for line in as_lines(found)))
    return int(any(one["state"] == "refused" for one in found["variants"]))


def _run(
    client: DocsfyClient, file: BatchFile, wanted: tuple[Wanted, ...], options: argparse.Namespace
) -> tuple[int, dict[str, Any]]:
    """Run the notebook and tell what came of it; returns the exit code and the result as a document."""
    client.health()  # rather now than from a kernel that took its time to start
    began = utc_now()
    receipt = reserve(Path(options.runs), Path(options.file).stem, began)
    parameters = {**file.parameters(), "server_url": client.url}
    certificates = options.verify if isinstance(options.verify, str) else None
    bars = BatchBars(quiet=options.json)
    told: dict[str, Any] = {}

    def show(news: Mapping[str, Any]) -> None:
        told.update(news)
        bars.show(news)

    code: int | None = None
    with _terminable():
        try:
            ended = run_notebook(receipt, parameters, client.address, show, certificates)
        except KeyboardInterrupt:
            code = _INTERRUPTED
            ended = Ended(code, "", told)
            if options.abort_on_exit:
                abort_unfinished(client, told)
        finally:
            bars.close()
    result, note_code = _result(client, receipt, ended, wanted, began.isoformat())
    return code or note_code, _tell(result, receipt, options)


def _result(client: DocsfyClient, receipt: Path, ended: Ended, wanted: tuple[Wanted, ...], began: str) -> tuple[BatchResult, int]:
    """Return what came of it and the exit code; a batch that was cut off is told from what the server says now."""
    result = read_result(receipt)
    if result is not None:
        return result, 0 if result.ok else 1
    error = read_error(receipt)
    result = cut_off(client, ended.last, wanted, began, f"This batch was cut off: {_why(ended, error)}")
    add_note(receipt, as_markdown(result), result)
    return result, 3 if error and error[0] in _NO_SERVER else 1


def _why(ended: Ended, error: tuple[str, str] | None) -> str:
    """Say what ended papermill: an interruption, what its notebook raised, a signal, or what it wrote last."""
    if ended.code == _INTERRUPTED:
        return "it was interrupted."
    if error is not None:
        return ": ".join(filter(None, error))
    if ended.code < 0:
        return f"papermill was ended by {signal.Signals(-ended.code).name}."
    lines = [line.strip() for line in ended.log.splitlines() if line.strip()]
    return lines[-1][:500] if lines else f"papermill ended with exit code {ended.code}."


@contextmanager
def _terminable() -> Iterator[None]:
    """Let a TERM, and a terminal that is closed, end the batch as Ctrl-C does; what ``nohup`` has switched off stays so."""
    numbers = [signal.Signals[name] for name in ("SIGTERM", "SIGHUP") if name in signal.Signals.__members__]
    before = {number: signal.getsignal(number) for number in numbers}
    heard = [number for number, handler in before.items() if handler != signal.SIG_IGN]
    for number in heard:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])


def _tell(result: BatchResult, receipt: Path, options: argparse.Namespace) -> dict[str, Any]:
    document = {"receipt": str(receipt.absolute()), **result.to_json()}
    if options.summary:
        target = Path(options.summary)
        text = json.dumps(document, indent=1) + "\n" if target.suffix == ".json" else as_markdown(result)
        try:
            target.write_text(text, "utf-8")
        except OSError as error:  # what follows is still to be told
            print(f"--summary: {target} could not be written: {error.strerror or error}", file=sys.stderr)
    if options.json:
        print_json(document)
    else:
        print("\n".join(plain(line) for line in as_text(result).splitlines()))
        print(f"The receipt: {receipt}")
    return document


def _finish(command: str | list[str], document: Mapping[str, Any], folder: Path) -> None:
    """Hand the result to the command; what it does with it does not change what came of the batch."""
    argv = as_command(command)
    try:
        done = subprocess.run(argv, input=json.dumps(document), text=True, cwd=folder, check=False, stdout=sys.stderr)
    except OSError as error:
        print(f"on_finished: {argv[0]} could not be started: {error.strerror or error}", file=sys.stderr)
        return
    if done.returncode:
        print(f"on_finished: {argv[0]} ended with exit code {done.returncode}", file=sys.stderr)
