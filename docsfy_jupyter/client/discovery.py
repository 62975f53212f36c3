"""Finding the server that a kernel or script belongs to; never a guess among several."""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

import httpx
import psutil
from jupyter_core.paths import jupyter_runtime_dir

from docsfy_jupyter.errors import ServerNotFound

URL_VARIABLE = "DOCSFY_JUPYTER_URL"
_HUB_TOKENS = ("JUPYTERHUB_API_TOKEN", "JPY_API_TOKEN")
# addresses to listen on, and where such a server is reached; tornado's "::" socket takes no IPv4
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "*": "127.0.0.1", "": "127.0.0.1", "::": "[::1]"}  # noqa: S104

# the page that Jupyter prints; a base URL has a slash at its end there, and a hub's user may be called so
_PAGE = re.compile(r"(?<!/user)/(?:lab|tree)$")


@dataclass(frozen=True)
class Address:
    """Where the extension answers: ``…/docsfy/``, and the token, which never shows in a repr."""

    url: str
    token: str

    def __repr__(self) -> str:
        return f"Address(url={self.url!r})"


def find_server(url: str | None, token: str | None, environ: Mapping[str, str] = os.environ) -> Address:
    """Find the server: arguments, the variables that kernels inherit, JupyterHub, the kernel's parent, the only one there is.

    A token is only ever sent to the server that it belongs to: that of the environment to the environment's address, that
    of a running server to its own.

    Parameters
    ----------
    url, token : str or None
        Explicit arguments beat everything.
    environ : mapping
        The environment.

    Raises
    ------
    ServerNotFound
        None runs, or several do; with what to pass.
    """
    found = candidates(url, token, environ)
    if not found:
        running = running_servers(environ)
        if len(running) != 1:
            raise _not_found(running, "none of them answers with the docsfy_jupyter extension")
        return _with_token(running[0], token)  # its first answer will say what it lacks
    if len(found) > 1:
        raise _not_found(found, "none of them is known to own this process")
    return found[0]


def candidates(url: str | None, token: str | None, environ: Mapping[str, str] = os.environ) -> Sequence[Address]:
    """Return the one server that is meant, or all that could be; none where none runs with the extension.

    Parameters
    ----------
    url, token, environ
        As for `find_server`.
    """
    known = _of_environment(environ)
    if url:
        wanted = normal_url(url)
        same = [address.token for address in (*known, *running_servers(environ)) if _same(address.url, wanted)]
        return [Address(wanted, token or _token_in(url) or next(iter(same), ""))]
    if known:
        return [_with_token(known[0], token)]
    running = running_servers(environ)
    return [_with_token(server, token) for server in _owner_of_kernel(running, environ) or filter(_has_extension, running)]


def _token_in(url: str) -> str:
    """Return the token of a URL as Jupyter prints it, ``…/lab?token=…``."""
    return next(iter(parse_qs(urlsplit(url).query).get("token", ())), "")


def _with_token(address: Address, token: str | None) -> Address:
    return replace(address, token=token) if token else address


def _of_environment(environ: Mapping[str, str]) -> list[Address]:
    if environ.get(URL_VARIABLE):
        url = environ[URL_VARIABLE]
        return [Address(normal_url(url), environ.get("DOCSFY_JUPYTER_TOKEN") or _token_in(url))]
    if environ.get("JUPYTERHUB_SERVICE_PREFIX") and environ.get("JUPYTERHUB_SERVICE_URL"):
        host = urlsplit(environ["JUPYTERHUB_SERVICE_URL"])
        base = urlunsplit((host.scheme, host.netloc, environ["JUPYTERHUB_SERVICE_PREFIX"], "", ""))
        return [Address(normal_url(base, is_base=True), _hub_token(environ))]
    return []


def _hub_token(environ: Mapping[str, str]) -> str:
    return next((environ[name] for name in _HUB_TOKENS if environ.get(name)), "")


@dataclass(frozen=True, repr=False)
class RunningServer(Address):
    """A Jupyter server that says of itself that it runs."""

    pid: int
    root_dir: str

    def __str__(self) -> str:
        return f"{self.url.removesuffix('docsfy/')} (in {self.root_dir})"


def running_servers(environ: Mapping[str, str] = os.environ, folder: Path | None = None) -> list[RunningServer]:
    """Return the live Jupyter servers of this user; files that are broken or of dead processes are passed over."""
    return [
        RunningServer(
            normal_url(_own_url(data), is_base=True),
            str(data.get("token") or "") or _hub_token(environ),
            data["pid"],
            str(data.get("root_dir") or ""),
        )
        for data in _runtime_files(folder or Path(jupyter_runtime_dir()))
        if isinstance(data, dict) and isinstance(data.get("pid"), int) and str(data.get("url")).startswith("http")
        # a server on a Unix socket has no address that a kernel could use
        and not data.get("sock") and psutil.pid_exists(data["pid"])
    ]  # fmt: skip


def _own_url(data: Mapping[str, Any]) -> str:
    """Return the URL at which a server is reached from this machine: one on all addresses writes down a name of the machine."""
    url, listens = str(data["url"]), data.get("hostname")
    if listens not in _EVERYWHERE:
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=_EVERYWHERE[listens] + (f":{parts.port}" if parts.port else "")))


def _runtime_files(folder: Path) -> Iterator[Any]:
    for path in sorted(folder.glob("jpserver-*.json")):
        try:
            yield json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            continue


def _has_extension(server: Address) -> bool:
    """Whether this extension answers there: its refusals have a code.

    The server's own token goes along, so that its log holds no warning; never over a connection that only a certificate
    could vouch for, since none is checked here.
    """
    trusted = server.token and (is_loopback(server.url) or server.url.startswith("http:"))
    headers = {"Authorization": f"token {server.token}"} if trusted else {}
    try:
        body = httpx.get(f"{server.url}health", headers=headers, timeout=5, trust_env=False, verify=False).json()  # noqa: S501
    except (httpx.HTTPError, ValueError):
        return False
    return isinstance(body, dict) and ("code" in body or body.get("status") == "ok")


def _owner_of_kernel(running: Sequence[RunningServer], environ: Mapping[str, str]) -> list[RunningServer]:
    parent = environ.get("JPY_PARENT_PID", "")
    return [server for server in running if parent and str(server.pid) == parent]


def _not_found(several: Sequence[Address], problem: str) -> ServerNotFound:
    pass_one = "Pass one: connect(url='http://localhost:8888/', token='…'); `jupyter server list` shows both."  # noqa: S105
    if not several:
        return ServerNotFound(f"No running Jupyter server was found for this kernel or script. {pass_one}")
    names = ", ".join(str(server) for server in several)
    return ServerNotFound(f"{len(several)} Jupyter servers run, and {problem}: {names}. {pass_one}")


def _same(url: str, other: str) -> bool:
    """Whether two addresses are one server: the names of this machine's loopback count as one."""
    return _comparable(url) == _comparable(other)


def _comparable(url: str) -> tuple[str, str, int | None, str]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, "loopback" if is_loopback(url) else parts.hostname or "", port, parts.path


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine by its loopback addresses."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def normal_url(url: str, *, is_base: bool = False) -> str:
    """Return the extension's URL for a server's URL; a query is dropped, and the page that Jupyter prints, ``/lab``.

    Parameters
    ----------
    url : str
        With or without ``docsfy`` at its end.
    is_base : bool
        Certainly without: a hub's user may be called docsfy.

    Raises
    ------
    ServerNotFound
        It is no URL, or has a user or password.
    """
    shown = re.split(r"[?#]", url, maxsplit=1)[0].rpartition("@")[2]  # without what is secret in it
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = f":{parts.port}" if parts.port else ""
    except ValueError as error:
        raise ServerNotFound(f"{shown!r} is not the URL of a server: {error}") from None
    if parts.scheme not in ("http", "https"):
        raise ServerNotFound(f"{shown!r} is not the URL of a server: it must begin with http:// or https://.")
    if "@" in parts.netloc:
        raise ServerNotFound(
            f"The URL of the server at {parts.hostname} has a user or password before the @, which no Jupyter server takes: "
            "leave them out and pass its token, connect(url, token='…')."
        )
    host = parts.hostname or ""
    netloc = _EVERYWHERE[host] + port if host in _EVERYWHERE else parts.netloc
    path = (parts.path if is_base else _PAGE.sub("", parts.path)).rstrip("/")
    path = path if path.endswith("/docsfy") and not is_base else f"{path}/docsfy"
    return urlunsplit((parts.scheme, netloc, f"{path}/", "", ""))
