"""What all handlers share: authentication, authorisation, JSON, and the one table from exceptions to HTTP statuses."""

from __future__ import annotations

import getpass
import hashlib
import hmac
import json
from http.client import responses
from typing import Any, ClassVar

from jupyter_server.auth import User
from jupyter_server.base.handlers import APIHandler
from tornado import web

from docsfy_jupyter import errors
from docsfy_jupyter.generation.manager import Manager
from docsfy_jupyter.server.addressing import Address

RESOURCE = "docsfy"
SECRET_SETTING = "docsfy_secret"  # noqa: S105  the name of a setting, not a secret
MANAGER_SETTING = "docsfy_manager"
SERVER_ID_SETTING = "docsfy_server_id"
SERVER_ID_HEADER = "Docsfy-Server"  # tells a panel in a browser whether its kernel speaks of this very server

STATUS_OF: tuple[tuple[type[errors.DocsfyError], int], ...] = (
    (errors.BadRequest, 400),
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (errors.StoreUnavailable, 503),
    (errors.DocsfyError, 500),
)
_WORDS = {400: "bad_request", 403: "forbidden", 404: "not_found", 405: "method_not_allowed", 413: "too_large", 500: "internal"}


class DocsfyHandler(APIHandler):
    """Base of every route below ``docsfy/``; a route has ``verbs``, the authoriser's action for each method."""

    verbs: ClassVar[dict[str, str]] = {"GET": "read", "HEAD": "read"}
    auth_resource = RESOURCE

    @property
    def manager(self) -> Manager:
        """The one bridge from handlers to state."""
        manager: Manager = self.settings[MANAGER_SETTING]
        return manager

    @property
    def caller(self) -> str:
        """Who asks: JupyterHub's user name, else the operating system's.

        On a plain server Jupyter's user name is random for every request without a cookie, so nothing may hang on it.
        """
        user = self.current_user
        if isinstance(user, User) and self.settings.get("docsfy_hub"):
            return str(user.username)
        return str(self.settings.get("docsfy_owner") or getpass.getuser())

    async def prepare(self, **_: Any) -> None:
        """Authenticate (Jupyter's means, or the extension's own secret that kernels inherit), then authorise."""
        self._track_activity = self.request.method not in ("GET", "HEAD")
        if self._bears_secret():
            self._token_authenticated = True
            self.current_user = self._jupyter_current_user = User("kernel", "kernel", "Kernel")
            self.set_cors_headers()
        else:
            await super().prepare()
            if self.current_user is None:
                raise web.HTTPError(403, "Not logged in: the token is missing or not accepted.")
        action = self.verbs.get(self.request.method or "")
        if action is None:
            raise web.HTTPError(405)
        allowed = self.authorizer.is_authorized(self, self.current_user, action, RESOURCE)
        if not (await allowed if hasattr(allowed, "__await__") else allowed):
            raise web.HTTPError(403, f"This user may not {action} docsfy.")
        self.set_header(SERVER_ID_HEADER, self.settings.get(SERVER_ID_SETTING, ""))

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
        tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
        self.set_header("Etag", tag)
        self.set_header("Cache-Control", "no-cache")
        given = self.request.headers.get("If-None-Match", "")
        if tag in [part.strip().removeprefix("W/") for part in given.split(",")]:
            self.set_status(304)
            self.finish()
        else:
            self.finish(text)

    def number(self, name: str, default: int, most: int) -> int:
        """Read a whole number ≥ 0 from the query.

        Raises
        ------
        BadRequest
        """
        text = self.get_query_argument(name, str(default))
        if not text.isascii() or not text.isdigit() or len(text) > 12:
            raise errors.BadRequest(f"{name}={text[:40]!r} is not a whole number of at least 0.")
        return min(int(text), most)

    def query_address(self) -> Address:
        """Read a variant's address from the query.

        Raises
        ------
        BadRequest
        """
        given = {name: self.get_query_argument(name, None) for name in ("name", "provider", "model", "branch", "owner")}
        missing = [name for name in ("name", "provider", "model") if not given[name]]
        if missing:
            raise errors.BadRequest(f"The query needs {', '.join(missing)}.")
        return Address(given["name"] or "", given["provider"] or "", given["model"] or "", given["branch"], given["owner"])

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer every error as ``{detail, message, code}``."""
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
        self.finish(json.dumps({"detail": detail, "message": detail, "code": code, **extra}))

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """Log our own errors as a line; only what nobody foresaw has a traceback."""
        if isinstance(value, errors.DocsfyError):
            self.log.info("docsfy_jupyter: %s %s: %s", self.request.method, self.request.path, value.message)
        else:
            super().log_exception(typ, value, tb)

    def compute_etag(self) -> None:
        """Tags are our own."""

    def raw_segments(self, prefix: str) -> list[str]:
        """Return the percent-encoded segments of the path after ``<base_url>docsfy/<prefix>``."""
        whole = f"{self.base_url}docsfy/{prefix}"
        rest = self.request.path
        rest = rest[len(whole) :] if rest.startswith(whole) else rest.split(f"/docsfy/{prefix}", 1)[-1]
        return rest.split("/")


class UnknownHandler(DocsfyHandler):
    """Every other path below the prefix: 404 as JSON."""

    verbs: ClassVar[dict[str, str]] = dict.fromkeys(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"), "read")

    async def get(self, *_: str) -> None:
        """Answer 404."""
        raise errors.NotFound(f"There is no {self.request.path} here.")

    head = post = put = patch = delete = get
