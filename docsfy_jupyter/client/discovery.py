"""Finding the server that a kernel or script belongs to; never a guess among several."""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psutil
from jupyter_core.paths import jupyter_runtime_dir

from docsfy_jupyter.errors import ServerNotFound

_EVERYWHERE = {"0.0.0.0", "*", "::", ""}  # noqa: S104  addresses to listen on, not to connect to


@dataclass(frozen=True)
class Address:
    """Where the extension answers: ``…/docsfy/``, and the token, which never shows in a repr."""

    url: str
    token: str

    def __repr__(self) -> str:
        return f"Address(url={self.url!r})"


def find_server(url: str | None, token: str | None, environ: Mapping[str, str] = os.environ) -> Address:
    """Find the server: arguments, then the variables that kernels inherit, then JupyterHub, then the kernel's parent.

    Parameters
    ----------
    url, token : str or None
        Explicit arguments beat everything.
    environ : mapping
        The environment.

    Raises
    ------
    ServerNotFound
        With what to pass.
    """
    if url:
        return Address(normal_url(url), token or environ.get("DOCSFY_JUPYTER_TOKEN", ""))
    if environ.get("DOCSFY_JUPYTER_URL"):
        return Address(normal_url(environ["DOCSFY_JUPYTER_URL"]), token or environ.get("DOCSFY_JUPYTER_TOKEN", ""))
    if environ.get("JUPYTERHUB_SERVICE_PREFIX") and environ.get("JUPYTERHUB_SERVICE_URL"):
        host = urlsplit(environ["JUPYTERHUB_SERVICE_URL"])
        base = urlunsplit((host.scheme, host.netloc, environ["JUPYTERHUB_SERVICE_PREFIX"], "", ""))
        return Address(normal_url(base), token or environ.get("JUPYTERHUB_API_TOKEN", ""))
    parent = environ.get("JPY_PARENT_PID", "")
    for server in running_servers():
        if parent and str(server.get("pid")) == parent:
            return Address(normal_url(str(server["url"])), token or str(server.get("token") or ""))
    raise ServerNotFound(
        "No running Jupyter server was found for this kernel or script. Pass one: connect(url='http://localhost:8888/', "
        "token='…'); `jupyter server list` shows both."
    )


def running_servers(folder: Path | None = None) -> Iterator[dict[str, Any]]:
    """Yield what live Jupyter servers say of themselves; files that are broken or of dead processes are passed over."""
    for path in sorted((folder or Path(jupyter_runtime_dir())).glob("jpserver-*.json")):
        try:
            data = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(data, dict) and isinstance(data.get("pid"), int) and data.get("url") and psutil.pid_exists(data["pid"]):
            yield data


def is_loopback(url: str) -> bool:
    """Whether a URL leads to this machine by its loopback addresses."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def normal_url(url: str) -> str:
    """Return the extension's URL for a server's base URL, with or without ``docsfy`` at its end."""
    parts = urlsplit(url if "//" in url else f"http://{url}")
    host = parts.hostname or ""
    netloc = parts.netloc
    if host in _EVERYWHERE:
        netloc = "127.0.0.1" + (f":{parts.port}" if parts.port else "")
    path = parts.path.rstrip("/")
    path = path if path.endswith("/docsfy") else f"{path}/docsfy"
    return urlunsplit((parts.scheme, netloc, f"{path}/", "", ""))
