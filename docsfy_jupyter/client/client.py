"""The two clients of the REST API: they send what the verbs yield, one blocking, one awaiting."""

from __future__ import annotations

import asyncio
import inspect
import ssl
import time
from collections.abc import Callable, Coroutine
from contextlib import closing
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx

from docsfy_jupyter import errors
from docsfy_jupyter.client import batches, verbs, waiting
from docsfy_jupyter.client.answers import Outcome, judged, not_reached
from docsfy_jupyter.client.discovery import Address, find_server, is_loopback
from docsfy_jupyter.client.started import Started
from docsfy_jupyter.client.steps import Request, Steps
from docsfy_jupyter.client.steps import variants as variants_of

P = ParamSpec("P")
T = TypeVar("T")
Verify = str | Path | bool | ssl.SSLContext


def connect(
    url: str | None = None, token: str | None = None, *, verify: Verify = True, timeout: float = 30.0
) -> DocsfyClient:
    """Connect to the Jupyter server that has the extension.

    Parameters
    ----------
    url : str, optional
        The server's base URL, with or without ``docsfy`` at the end. Without it the server is found: the variables that
        kernels inherit, JupyterHub's, the kernel's parent, the only server that runs.
    token : str, optional
        A Jupyter token; found with the server otherwise.
    verify : str, Path, bool or SSLContext
        A file or folder of certificates to trust, or False to trust any.
    timeout : float
        Seconds that one request may take.

    Raises
    ------
    ServerNotFound
        None could be found, or several.
    """
    return DocsfyClient(find_server(url, token), verify=verify, timeout=timeout)


def connect_async(
    url: str | None = None, token: str | None = None, *, verify: Verify = True, timeout: float = 30.0
) -> AsyncDocsfyClient:
    """Connect as `connect` does, with a client whose verbs are awaited."""
    return AsyncDocsfyClient(find_server(url, token), verify=verify, timeout=timeout)


def _public_signature(steps: Callable[..., Any]) -> inspect.Signature:
    """Return the signature that people see: with self, and with what the verb returns rather than its steps."""
    plain = inspect.signature(steps)
    result = str(plain.return_annotation).removeprefix("Steps[").removesuffix("]")
    first = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    return plain.replace(parameters=[first, *plain.parameters.values()], return_annotation=result)


def _blocking(steps: Callable[P, Steps[T]]) -> Callable[Concatenate[DocsfyClient, P], T]:
    @wraps(steps)
    def verb(self: DocsfyClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(steps(*args, **kwargs))

    verb.__signature__ = _public_signature(steps)  # type: ignore[attr-defined]
    return verb


def _awaited(steps: Callable[P, Steps[T]]) -> Callable[Concatenate[AsyncDocsfyClient, P], Coroutine[Any, Any, T]]:
    @wraps(steps)
    async def verb(self: AsyncDocsfyClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(steps(*args, **kwargs))

    verb.__signature__ = _public_signature(steps)  # type: ignore[attr-defined]
    return verb


def _next(steps: Steps[T], outcome: Outcome | None) -> Request:
    if isinstance(outcome, errors.DocsfyError):
        return steps.throw(outcome)
    return next(steps) if outcome is None else steps.send(outcome)


class _Connection:
    """What both clients know: where, with which token, trusting what.

    Parameters
    ----------
    address : Address
        Where the extension answers.
    verify : str, Path, bool or SSLContext
        As for `connect`.
    timeout : float
        Seconds.
    """

    def __init__(self, address: Address, *, verify: Verify = True, timeout: float = 30.0) -> None:
        self.url = address.url
        self.address = address
        self._with_token = bool(address.token)
        self._options: dict[str, Any] = {
            "base_url": address.url,
            "headers": {"Authorization": f"token {address.token}"} if address.token else {},
            "timeout": timeout,
            "verify": _context(verify),
            "trust_env": not is_loopback(address.url),  # HTTP_PROXY never applies to this machine
            "follow_redirects": False,
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    @staticmethod
    def _arguments(request: Request) -> dict[str, Any]:
        arguments: dict[str, Any] = {"method": request.method, "url": request.path, "params": dict(request.params)}
        arguments["headers"] = {"If-None-Match": request.etag} if request.etag else {}
        arguments |= {"timeout": request.timeout} if request.timeout else {}
        return arguments if request.json is None else {**arguments, "json": request.json}

    def _judged(self, answer: httpx.Response, request: Request) -> Outcome:
        return judged(answer, self.url, with_token=self._with_token, data=request.sink is None)


def _closed() -> errors.ClientError:
    return errors.ClientError("This client is closed; make a new one with connect(), or use it within its `with` block.")


def _context(verify: Verify) -> ssl.SSLContext | bool:
    if isinstance(verify, bool | ssl.SSLContext):
        return verify
    path = Path(verify).expanduser()
    try:
        return ssl.create_default_context(capath=path) if path.is_dir() else ssl.create_default_context(cafile=path)
    except OSError as error:
        raise errors.BadRequest(f"verify={str(verify)!r} cannot be used: {error.strerror or error}") from None


class DocsfyClient(_Connection):
    """A client whose verbs block; `connect` makes one. How a variant is named: see `docsfy_jupyter.client.steps`."""

    def __init__(self, address: Address, *, verify: Verify = True, timeout: float = 30.0) -> None:
        super().__init__(address, verify=verify, timeout=timeout)
        self._http = httpx.Client(**self._options)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def perform(self, steps: Steps[T]) -> T:
        """Send what steps yield, and return their result: for verbs that are not the client's own, such as a batch."""
        return self._run(steps)

    def _run(self, steps: Steps[T]) -> T:
        outcome: Outcome | None = None
        with closing(steps):
            while True:
                try:
                    request = _next(steps, outcome)
                except StopIteration as end:
                    result: T = end.value
                    if isinstance(result, Started):
                        result.started_by_client(self)
                    return result
                outcome = self._send(request)

    def _send(self, request: Request) -> Outcome:
        if self._http.is_closed:
            return _closed()
        time.sleep(request.delay)
        try:
            with self._http.stream(**self._arguments(request)) as answer:
                if request.sink is None or not answer.is_success:
                    answer.read()
                else:
                    for chunk in answer.iter_bytes():
                        request.sink.write(chunk)
        except httpx.HTTPError as error:
            return not_reached(error, self.url)
        return self._judged(answer, request)

    generate = _blocking(verbs.generate)
    estimate = _blocking(verbs.estimate)
    get = _blocking(verbs.get)
    list = _blocking(verbs.list_variants)
    listing = _blocking(verbs.listing)
    variants = _blocking(variants_of)
    events = _blocking(verbs.events)
    poll = _blocking(waiting.poll)
    wait = _blocking(waiting.wait)
    abort = _blocking(verbs.abort)
    delete = _blocking(verbs.delete)
    render = _blocking(verbs.render)
    download = _blocking(verbs.download)
    export = _blocking(verbs.export)
    models = _blocking(verbs.models)
    runs = _blocking(verbs.runs)
    generate_all = _blocking(batches.generate_all)
    get_batch = _blocking(batches.get_batch)
    abort_batch = _blocking(batches.abort_batch)
    watch = _blocking(batches.watch)
    freshness = _blocking(batches.freshness)
    health = _blocking(verbs.health)
    version = _blocking(verbs.version)


class AsyncDocsfyClient(_Connection):
    """The same verbs, awaited; `connect_async` makes one."""

    def __init__(self, address: Address, *, verify: Verify = True, timeout: float = 30.0) -> None:
        super().__init__(address, verify=verify, timeout=timeout)
        self._http = httpx.AsyncClient(**self._options)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    async def perform(self, steps: Steps[T]) -> T:
        """Send what steps yield, and return their result: for verbs that are not the client's own, such as a batch."""
        return await self._run(steps)

    async def _run(self, steps: Steps[T]) -> T:
        outcome: Outcome | None = None
        with closing(steps):
            while True:
                try:
                    request = _next(steps, outcome)
                except StopIteration as end:
                    result: T = end.value
                    return result
                outcome = await self._send(request)

    async def _send(self, request: Request) -> Outcome:
        if self._http.is_closed:
            return _closed()
        await asyncio.sleep(request.delay)
        try:
            async with self._http.stream(**self._arguments(request)) as answer:
                if request.sink is None or not answer.is_success:
                    await answer.aread()
                else:
                    async for chunk in answer.aiter_bytes():
                        await asyncio.to_thread(request.sink.write, chunk)
        except httpx.HTTPError as error:
            return not_reached(error, self.url)
        return self._judged(answer, request)

    generate = _awaited(verbs.generate)
    estimate = _awaited(verbs.estimate)
    get = _awaited(verbs.get)
    list = _awaited(verbs.list_variants)
    listing = _awaited(verbs.listing)
    variants = _awaited(variants_of)
    events = _awaited(verbs.events)
    poll = _awaited(waiting.poll)
    wait = _awaited(waiting.wait)
    abort = _awaited(verbs.abort)
    delete = _awaited(verbs.delete)
    render = _awaited(verbs.render)
    download = _awaited(verbs.download)
    export = _awaited(verbs.export)
    models = _awaited(verbs.models)
    runs = _awaited(verbs.runs)
    generate_all = _awaited(batches.generate_all)
    get_batch = _awaited(batches.get_batch)
    abort_batch = _awaited(batches.abort_batch)
    watch = _awaited(batches.watch)
    freshness = _awaited(batches.freshness)
    health = _awaited(verbs.health)
    version = _awaited(verbs.version)
