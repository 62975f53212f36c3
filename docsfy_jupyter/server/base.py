"""What all handlers share: authentication, authorisation, JSON, and the one table from exceptions to HTTP statuses."""

from __future__ import annotations

import asyncio
import getpass
import hmac
import json
import shutil
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from http.client import responses
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

from jupyter_core.utils import ensure_async
from jupyter_server.auth import User
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from tornado import iostream, web
from tornado.httputil import url_concat

from docsfy_jupyter import errors
from docsfy_jupyter.generation.killing import unbroken
from docsfy_jupyter.generation.manager import Manager
from docsfy_jupyter.requests import validated
from docsfy_jupyter.server.addressing import decode_segment
from docsfy_jupyter.server.frame import POLICY, error_page
from docsfy_jupyter.server.listing import Listing, tag_of
from docsfy_jupyter.server.route import PREFIX, Operation, Route

RESOURCE = "docsfy"
SECRET_SETTING = "docsfy_secret"  # noqa: S105  the name of a setting, not a secret
MANAGER_SETTING = "docsfy_manager"
LISTING_SETTING = "docsfy_listing"
SERVER_ID_SETTING = "docsfy_server_id"
RIGHTS_HEADER = "Docsfy-May"  # tells a panel what its login may do, so that it offers nothing else
SERVER_ID_HEADER = "Docsfy-Server"  # tells a panel in a browser whether its kernel speaks of this very server

STATUS_OF: tuple[tuple[type[errors.DocsfyError], int], ...] = (
    (errors.BadRequest, 400),
    (errors.NotPermitted, 403),
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (errors.StoreUnavailable, 503),
    (errors.DocsfyError, 500),
)
_WORDS = {400: "bad_request", 403: "forbidden", 404: "not_found", 405: "method_not_allowed", 413: "too_large", 500: "internal"}


ACTIONS: Mapping[str, str] = {"GET": "read", "POST": "execute", "DELETE": "write"}  # the authoriser's word for each method
_DOING = {"read": "read documentation sets", "execute": "start, render or abort runs", "write": "delete documentation sets"}
MAX_BODY = 1 << 20  # bytes; the longest valid body has a few thousand


class DocsfyHandler(APIHandler):
    """Base of every route below ``docsfy/``.

    The routes that registered it are its ``readings``; their operations name the coroutines that answer.
    """

    auth_resource = RESOURCE
    for_people = False  # whether a browser that opens it may be sent to log in, and is told of errors in HTML

    def initialize(self, readings: Sequence[Route] = ()) -> None:
        """Take the routes that this path fits, the preferred first."""
        self.readings = tuple(readings)
        self.route = readings[-1] if readings else None

    @property
    def manager(self) -> Manager:
        """The one bridge from handlers to state."""
        manager: Manager = self.settings[MANAGER_SETTING]
        return manager

    @property
    def listing(self) -> Listing:
        """The texts of the listing."""
        listing: Listing = self.settings[LISTING_SETTING]
        return listing

    @property
    def caller(self) -> str:
        """Who asks: JupyterHub's user name, else the operating system's.

        On a plain server Jupyter's user name is random for every request without a cookie, so nothing may hang on it.
        """
        user = self.current_user
        if isinstance(user, User) and self.settings.get("docsfy_hub"):
            return str(user.username)
        return str(self.settings.get("docsfy_owner") or getpass.getuser())

    def set_default_headers(self) -> None:
        """Name the server in every answer, errors too: they are told from those of a server, or a proxy, of somebody else."""
        super().set_default_headers()
        self.set_header(SERVER_ID_HEADER, self.settings.get(SERVER_ID_SETTING, ""))

    async def prepare(self, **_: Any) -> None:
        """Authenticate (Jupyter's means, or the extension's own secret that kernels inherit), then authorise."""
        self._track_activity = self.request.method not in ("GET", "HEAD", "OPTIONS")
        if self.request.method == "OPTIONS":  # what a page of another origin asks before its request, never with a login
            await super().prepare()
            return
        if self._bears_secret():
            self._token_authenticated = True
            self.current_user = self._jupyter_current_user = User("kernel", "kernel", "Kernel")
            self.set_cors_headers()
        else:
            if not self.check_host():  # Jupyter says why in its log only, and a caller would look for a wrong token
                raise web.HTTPError(
                    403,
                    f"Blocking request with non-local 'Host' {self.request.host}. If the server should be accessible at that "
                    "name, set ServerApp.allow_remote_access to disable the check.",
                )
            await super().prepare()
            if self.current_user is None:
                if self.is_opened():
                    self._send_to_login()
                    return
                raise web.HTTPError(403, "Not logged in: the token is missing or not accepted.")
        action = ACTIONS.get(self.request.method or "", "read")
        if not await self.may(action):
            reason = f"Jupyter's authorizer refuses {action} of docsfy"
            raise errors.NotPermitted(f"This user may not {_DOING[action]} here: {reason}.")
        self.check_method()

    def get_login_url(self) -> str:
        """Return where somebody logs in; an API has no such place, and answers 403."""
        return JupyterHandler.get_login_url(self) if self.for_people else super().get_login_url()

    def is_opened(self) -> bool:
        """Whether somebody opens the path in a browser; programs do not ask for HTML, nor does what a page loads."""
        return self.for_people and "text/html" in self.request.headers.get("Accept", "")

    def _send_to_login(self) -> None:
        where = self.get_login_url()
        if "?" not in where:  # one with a query, JupyterHub's, knows the way back
            where = url_concat(where, {"next": self.request.uri or ""})
        self.redirect(where)

    async def may(self, action: str) -> bool:
        """Whether Jupyter's authorizer lets the caller ``read``, ``execute`` or ``write``."""
        return bool(await ensure_async(self.authorizer.is_authorized(self, self.current_user, action, RESOURCE)))

    def set_secure_cookie(self, name: str, value: str | bytes, *args: Any, **kwargs: Any) -> None:
        """Give no login to keep to a program that sends its token every time: signed at each poll, it was half of the answer."""
        if self.request.headers.get("Authorization", "").partition(" ")[0].lower() not in ("token", "bearer"):
            super().set_secure_cookie(name, value, *args, **kwargs)

    def check_method(self) -> None:
        """Refuse a method that no reading of the path has."""
        if self.readings and not any(self.request.method in route.operations for route in self.readings):
            self._refuse_method()

    @property
    def allowed(self) -> str:
        """The methods of the path, as the ``Allow`` header lists them."""
        return ", ".join(sorted(self.route.operations)) if self.route is not None else ""

    def _refuse_method(self) -> NoReturn:
        raise web.HTTPError(405, f"{self.request.path} answers to {self.allowed}, not to {self.request.method}.")

    async def get(self, *_: str) -> None:
        """Answer what the route's operation says."""
        await self._serve()

    async def post(self, *_: str) -> None:
        """Answer what the route's operation says."""
        await self._serve()

    async def delete(self, *_: str) -> None:
        """Answer what the route's operation says."""
        await self._serve()

    def path_parts(self, route: Route | None = None) -> dict[str, str]:
        """Return the path's parameters as a route names them, decoded.

        Raises
        ------
        BadRequest
        """
        route = route or self.route
        found = (route.segments(self.raw_path) if route else None) or {}
        return {name: decode_segment(raw) for name, raw in found.items()}

    async def choose(self) -> Route:
        """Return the reading of the path that is meant."""
        return self.readings[0]

    async def _serve(self) -> None:
        self.route = await self.choose()
        operation = self.route.operations.get(self.request.method or "")
        if operation is None:
            self._refuse_method()
        await getattr(self, operation.verb)(*self._arguments(operation))

    def _arguments(self, operation: Operation) -> list[Any]:
        arguments: list[Any] = []
        if operation.query is not None:
            arguments.append(validated(operation.query, self.query_values()))
        if operation.body is not None:
            body = self.body()
            shape = operation.many if operation.many is not None and isinstance(body, list) else operation.body
            arguments.append(validated(shape, body))
        return arguments

    def query_values(self) -> dict[str, str]:
        """Return the query as it was sent; of a repeated parameter the last.

        Raises
        ------
        BadRequest
        """
        try:
            return {name: values[-1].decode("utf-8") for name, values in self.request.query_arguments.items() if values}
        except UnicodeDecodeError:
            raise errors.BadRequest("The query is not UTF-8 once decoded.") from None

    def _bears_secret(self) -> bool:
        kind, _, given = self.request.headers.get("Authorization", "").partition(" ")
        secret: str = self.settings.get(SECRET_SETTING, "")
        return (
            bool(secret) and kind.lower() in ("token", "bearer") and hmac.compare_digest(given.strip().encode(), secret.encode())
        )

    def body(self) -> Any:
        """Return the decoded JSON body.

        Raises
        ------
        BadRequest
        """
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind and kind != "application/json" and not kind.endswith("+json"):
            raise errors.BadRequest(f"The body must be JSON, sent with Content-Type: application/json, not {kind[:100]}.")
        if len(self.request.body) > MAX_BODY:
            raise web.HTTPError(413, f"The body is longer than {MAX_BODY} bytes.")
        try:
            return json.loads(self.request.body or b"")
        except (ValueError, RecursionError) as error:
            raise errors.BadRequest(f"The body is not JSON: {error}") from None

    def reply(self, data: Any, status: int = 200) -> None:
        """Finish with JSON."""
        self.set_status(status)
        self.finish(json.dumps(data, allow_nan=False))

    def reply_tagged(self, data: Any) -> None:
        """Finish with JSON and its ETag, or with 304 where the caller has that already."""
        text = json.dumps(data, allow_nan=False)
        if not self.is_known(tag_of(text)):
            self.finish(text)

    def is_known(self, tag: str) -> bool:
        """Set an answer's ETag; finish with 304 where the caller has that already."""
        self.set_header("Etag", f'"{tag}"')
        self.set_header("Cache-Control", "no-cache")
        if tag not in self.given_tags():
            return False
        self.set_status(304)
        self.finish()
        return True

    def given_tags(self) -> set[str]:
        """Return the tags that the caller has: the header's, and that of the query."""
        given = [*self.request.headers.get("If-None-Match", "").split(","), self.query_values().get("etag", "")]
        return {part.strip().removeprefix("W/").strip('"') for part in given} - {""}

    @asynccontextmanager
    async def scratch(self) -> AsyncIterator[Path]:
        """Have a folder for files that live as long as an answer; what a killed server leaves there, the next start removes."""
        folder = self.manager.settings.scratch / f"answer-{uuid.uuid4()}"
        await asyncio.to_thread(folder.mkdir, parents=True, mode=0o700)
        try:
            yield folder
        finally:
            await unbroken(asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True))

    async def send_parts(self, parts: AsyncIterator[str]) -> None:
        """Finish with a text that is made piece by piece; a caller that goes away ends it. A single piece is sent whole."""
        self.set_header("Content-Type", "application/json")  # here, since headers go out with the first piece
        last = None
        async for part in parts:
            if last is not None and not await self._passed_on(last):
                return
            last = part
        self.finish(last)

    async def _passed_on(self, piece: str | bytes) -> bool:
        """Send a piece of an answer; False where the caller went away."""
        self.write(piece)
        try:
            await self.flush()
        except iostream.StreamClosedError:
            return False
        return True

    async def send_file(self, path: Path, name: str, media_type: str) -> None:
        """Send a file for keeping, under a name; a caller that goes away ends it.

        Parameters
        ----------
        path : Path
            The file.
        name, media_type : str
            As the caller sees it.
        """
        self.set_header("Content-Type", media_type)
        self.set_header("Content-Disposition", f"attachment; filename*=UTF-8''{quote(name, safe='')}")
        with await asyncio.to_thread(path.open, "rb") as file:
            while chunk := await asyncio.to_thread(file.read, 1 << 18):
                if not await self._passed_on(chunk):
                    return
        self.finish(set_content_type=media_type)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer every error as ``{detail, message, code}``; to who opens a page for people, as a page."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        extra: dict[str, Any] = {}
        if isinstance(error, errors.DocsfyError):
            status_code = next(status for kind, status in STATUS_OF if isinstance(error, kind))
            detail, code = error.message, error.code
            extra = {k: v for k, v in error.details.items() if k in ("faults", "candidates", "holder")}
        else:
            detail = (error.log_message if isinstance(error, web.HTTPError) else None) or responses.get(status_code, "Error")
            code = _WORDS.get(status_code, "error")
        self.set_status(status_code)
        if status_code == 405:
            self.set_header("Allow", self.allowed)
        if self.is_opened():
            self.set_header("Content-Security-Policy", POLICY)
            self.set_header("X-Content-Type-Options", "nosniff")
            self.set_header("Cache-Control", "no-cache")
            self.finish(error_page(self.base_url, status_code, detail), set_content_type="text/html; charset=utf-8")
        else:
            self.finish(json.dumps({"detail": detail, "message": detail, "code": code, **extra}))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log our own errors as a line; only what nobody foresaw has a traceback."""
        if isinstance(value, errors.DocsfyError):
            self.log.info("docsfy_jupyter: %s %s: %s", self.request.method, self.request.path, value.message)
        else:
            super().log_exception(typ, value, tb)

    def compute_etag(self) -> None:
        """Tags are our own."""

    @property
    def raw_path(self) -> str:
        """The path below ``docsfy`` as it was sent, still percent-encoded."""
        whole = f"{self.base_url.rstrip('/')}{PREFIX}/"
        path = self.request.path
        return f"/{path[len(whole) :] if path.startswith(whole) else path.partition(f'{PREFIX}/')[2]}"


class UnknownHandler(DocsfyHandler):
    """Every other path below the prefix: 404, whatever the method."""

    for_people = True

    def is_opened(self) -> bool:
        """Whether somebody mistook an address; below ``api`` no browser is answered in HTML."""
        return self.request.method == "GET" and not f"{self.raw_path}/".startswith("/api/") and super().is_opened()

    def check_method(self) -> None:
        """Answer 404."""
        raise errors.NotFound(f"There is no {self.request.path} here.")
