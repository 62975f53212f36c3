"""Child processes: the only place that starts any, and the one that sees them dead.

Every child leads its own session and process group and carries a mark in its environment, so that it can be killed
whole, with daemons that left the group. A watcher process does the same when the server itself was killed.
"""

from __future__ import annotations

import asyncio
import codecs
import os
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from docsfy_jupyter.errors import ChildError, ChildOutputTooLarge, ChildTimeout
from docsfy_jupyter.generation.killing import MARKER, MarkSearch, Watcher, kill_tree, off_loop, unbroken
from docsfy_jupyter.generation.priority import step_back
from docsfy_jupyter.generation.secrets import masked, secrets_of
from docsfy_jupyter.generation.starting import not_started
from docsfy_jupyter.generation.worker import Worker

_MIB = 1024 * 1024
_CHUNK = 256 * 1024
# how often a child that holds its pipes is asked whether it ended; asyncio's own wait() waits for the pipes as well
_POLL = 0.1
_ALLOWED = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TMP", "TEMP", "SYSTEMROOT"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"),
        *("GIT_SSL_CAINFO", "GIT_SSL_CAPATH"),
    }
)
_ALLOWED_PREFIXES = ("LC_", "XDG_")
_NEVER = ("JUPYTER", "JPY_", "DOCSFY_JUPYTER", MARKER)


@dataclass(frozen=True)
class ChildResult:
    """How a child ended.

    Parameters
    ----------
    returncode : int
        Its exit code; negative for a signal.
    stdout : bytes
        All that it printed, without the secrets of its environment.
    stderr : str
        The tail of its error output, decoded as UTF-8 with replacements; the same.
    seconds : float
        How long it took.
    """

    returncode: int
    stdout: bytes
    stderr: str
    seconds: float


def child_environment(
    extra: Mapping[str, str] | None = None,
    passthrough: Sequence[str] = (),
    source: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the environment of a child: an allow-list, never Jupyter's tokens.

    Parameters
    ----------
    extra : mapping, optional
        Set as they are.
    passthrough : sequence of str
        More names to take over from `source`; names of Jupyter's and of this extension's secrets are not.
    source : mapping, optional
        Where values come from; the server's environment at the time of the call.
    """
    source = os.environ if source is None else source
    wanted = _ALLOWED | {name for name in passthrough if not name.startswith(_NEVER)}
    taken = {name: value for name, value in source.items() if name in wanted or name.startswith(_ALLOWED_PREFIXES)}
    taken.setdefault("PATH", os.defpath)
    return {**taken, **(extra or {})}


class _Tail:
    """The end of a stream of bytes, and its lines as they come."""

    def __init__(self, limit: int, on_line: Callable[[str], None] | None, secrets: list[bytes]) -> None:
        self._limit = limit
        self._secrets = secrets
        self._on_line = on_line
        self._kept = b""
        self._line = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, chunk: bytes) -> None:
        """Take a chunk; a carriage return ends a line too, as in progress output."""
        self._kept = (self._kept + chunk)[-self._limit :]
        if self._on_line is None:
            return
        *lines, rest = (self._line + self._decoder.decode(chunk)).replace("\r", "\n").split("\n")
        self._line = rest[-self._limit :]
        for line in filter(None, lines):
            self._on_line(line)

    def text(self) -> str:
        """Return what was kept."""
        return masked(self._kept, self._secrets).decode("utf-8", "replace")


@dataclass(eq=False)
class _Child:
    """A process that runs, and what is needed to end it."""

    process: asyncio.subprocess.Process
    mark: str
    name: str

    @property
    def exited(self) -> bool:
        return self.process.returncode is not None


class Processes:
    """The children of one server: started here, killed whole here.

    Parameters
    ----------
    instance : str, optional
        First part of the mark of every child; random by default.
    kill_grace : float
        Seconds between TERM and KILL.
    """

    def __init__(self, *, instance: str | None = None, kill_grace: float = 0.3) -> None:
        self.instance = instance or uuid.uuid4().hex
        self._grace = kill_grace
        self._watcher = Watcher(self.instance)
        self._marks = MarkSearch()
        self._children: set[_Child] = set()
        self._closed = False

    async def start(self) -> None:
        """Start the watcher."""
        self._closed = False
        self._watcher.ensure()

    async def aclose(self) -> None:
        """Kill every child and stop the watcher. Never raises, takes some seconds at most."""
        self._closed = True
        ends = [asyncio.ensure_future(self._end(child)) for child in tuple(self._children)]
        if ends:
            await asyncio.wait(ends, timeout=10)
        with suppress(Exception):
            await off_loop(self._watcher.close)

    @property
    def watcher_pid(self) -> int | None:
        """The process id of the watcher while it lives."""
        return self._watcher.pid

    def watch_folder(self, folder: Path) -> None:
        """Have a temporary folder removed when the server dies without doing so itself."""
        self._watcher.add("t " + os.fsencode(folder.absolute()).hex())

    def forget_folder(self, folder: Path) -> None:
        """Take a folder back from the watcher: it was removed, or is to stay."""
        self._watcher.remove("t " + os.fsencode(folder.absolute()).hex())

    async def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        cwd: Path | None = None,
        env: Mapping[str, str],
        timeout: float | None = None,
        stdout_limit: int = 64 * _MIB,
        stderr_tail: int = 8192,
        grace_after_exit: float = 0.5,
        on_stderr: Callable[[str], None] | None = None,
        look: Callable[[int], None] | None = None,
    ) -> ChildResult:
        """Run a program to its end; whatever ends this call, the program and all that it started are dead after it.

        Parameters
        ----------
        argv : sequence of str
            Program and arguments; no shell.
        stdin : bytes
            What the program reads, then end of file.
        cwd : Path, optional
            Working directory.
        env : mapping
            The whole environment; see `child_environment`.
        timeout : float, optional
            Seconds until it is killed.
        stdout_limit : int
            Bytes of output at which it is killed.
        stderr_tail : int
            Bytes of error output that are kept.
        grace_after_exit : float
            Seconds that background children may hold the pipes after the program's end.
        on_stderr : callable, optional
            Gets every line of error output.
        look : callable, optional
            Gets the program's process id again and again while it runs; what it raises ends the program, and this call.

        Raises
        ------
        ChildNotStarted, ChildTimeout, ChildOutputTooLarge, ChildError
            With a sentence for people.
        """
        began = time.monotonic()
        with _as_file(stdin) as prompt:
            child = await self._start(argv, prompt.fileno(), cwd, env)
        secrets = secrets_of(env)
        tail = _Tail(stderr_tail, on_stderr, secrets)
        try:
            async with asyncio.timeout(timeout):
                stdout = await _read(child, stdout_limit, tail, grace_after_exit, look)
        except TimeoutError:
            raise ChildTimeout(f"{child.name} timed out after {timeout:g} s and was stopped", stderr=tail.text()) from None
        finally:
            await self._end_unbroken(child)
        if self._closed:
            raise ChildError(f"{child.name} was stopped because the server is shutting down")
        return ChildResult(child.process.returncode or 0, masked(stdout, secrets), tail.text(), time.monotonic() - began)

    @asynccontextmanager
    async def open_worker(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path | None = None) -> AsyncIterator[Worker]:
        """Start a program that answers lines of JSON; leaving the context kills it whole.

        Raises
        ------
        ChildNotStarted
            With a sentence for people.
        """
        child = await self._start(argv, asyncio.subprocess.PIPE, cwd, env)
        worker = Worker(child.process, child.name)
        try:
            yield worker
        finally:
            _, cancelled = await unbroken(self._close_worker(worker, child))
            if cancelled:
                raise asyncio.CancelledError

    async def _close_worker(self, worker: Worker, child: _Child) -> None:
        await self._end(child)
        await worker.aclose()

    async def _start(self, argv: Sequence[str], stdin: int, cwd: Path | None, env: Mapping[str, str]) -> _Child:
        if self._closed:
            raise ChildError("No program is started any more: the server is shutting down")
        self._watcher.ensure()
        # a cancellation between fork and the end of this call would leave a child that nobody knows
        child, cancelled = await unbroken(self._spawn(argv, stdin, cwd, env))
        if cancelled:
            await self._end_unbroken(child)
            raise asyncio.CancelledError
        return child

    async def _spawn(self, argv: Sequence[str], stdin: int, cwd: Path | None, env: Mapping[str, str]) -> _Child:
        mark = f"{self.instance}:{uuid.uuid4().hex}"
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=stdin,
                stdout=pipe,
                stderr=pipe,
                cwd=cwd,
                env={**env, MARKER: mark},
                start_new_session=True,
                close_fds=True,
            )
        except (OSError, NotImplementedError, ValueError) as error:
            raise not_started(error, argv, cwd, env) from error
        child = _Child(process, mark, Path(argv[0]).name)
        self._children.add(child)
        self._watcher.add(f"+{process.pid}")
        step_back(process.pid, lambda: child.exited)
        return child

    async def _end_unbroken(self, child: _Child) -> None:
        _, cancelled = await unbroken(self._end(child))
        if cancelled:
            raise asyncio.CancelledError

    async def _end(self, child: _Child) -> None:
        """Kill what is left of a child and forget it."""
        try:
            await kill_tree(child.process.pid, lambda: self._marks.of(child.mark), lambda: child.exited, self._grace)
        finally:
            # asyncio has no public way to close the pipes of a child; when somebody else holds them they would stay open
            transport: asyncio.SubprocessTransport | None = getattr(child.process, "_transport", None)
            if transport is not None:
                transport.close()
            self._watcher.remove(f"+{child.process.pid}")
            self._children.discard(child)


def _as_file(content: bytes) -> IO[bytes]:
    """Put a prompt where the child reads it with an end of file, however early it stops reading: in memory if possible."""
    in_memory = hasattr(os, "memfd_create")
    # closed by the caller
    stream: IO[bytes] = os.fdopen(os.memfd_create("stdin"), "w+b") if in_memory else tempfile.TemporaryFile()  # noqa: SIM115
    stream.write(content)
    stream.flush()
    stream.seek(0)
    return stream


async def _read(child: _Child, limit: int, tail: _Tail, grace: float, look: Callable[[int], None] | None) -> bytes:
    """Read both pipes to their end, or until the child is gone and its leftovers had their time."""
    chunks: list[bytes] = []
    readers = {
        asyncio.ensure_future(_read_stdout(child, chunks, limit)),
        asyncio.ensure_future(_read_stderr(child, tail)),
    }
    try:
        open_ = readers
        gone_at: float | None = None
        while open_ or not child.exited:
            if open_:
                done, open_ = await asyncio.wait(open_, timeout=_POLL, return_when=asyncio.FIRST_EXCEPTION)
                for reader in done:
                    reader.result()
            else:
                await child.process.wait()
            if look is not None and not child.exited:
                look(child.process.pid)
            now = time.monotonic()
            gone_at = now if child.exited and gone_at is None else gone_at
            if open_ and gone_at is not None and now - gone_at >= grace:
                break
    finally:
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
    return b"".join(chunks)


async def _read_stdout(child: _Child, chunks: list[bytes], limit: int) -> None:
    stream = child.process.stdout
    size = 0
    while stream is not None and (chunk := await stream.read(_CHUNK)):
        size += len(chunk)
        if size > limit:
            raise ChildOutputTooLarge(f"{child.name} printed more than {limit / _MIB:g} MiB and was stopped")
        chunks.append(chunk)


async def _read_stderr(child: _Child, tail: _Tail) -> None:
    stream = child.process.stderr
    while stream is not None and (chunk := await stream.read(_CHUNK)):
        tail.feed(chunk)
