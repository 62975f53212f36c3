"""``jupyter docsfy doctor``: what a set-up needs, and what to do where it is not there."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from docsfy_jupyter import __version__
from docsfy_jupyter.client.client import DocsfyClient


@dataclass(frozen=True)
class Finding:
    """One line: ``state`` is ``ok``, ``warn`` or ``fail``."""

    state: str
    topic: str
    text: str


def examine(client: DocsfyClient) -> Iterator[Finding]:
    """Check the server that answers, git, the providers and this environment.

    Parameters
    ----------
    client : DocsfyClient
        Connected to the server in question; that it is there is itself the first finding.
    """
    client.health()
    yield Finding("ok", "server", f"{client.url} answers, the extension is enabled and its database is open")
    yield Finding("ok", "this environment", f"docsfy_jupyter {__version__}")
    yield _git()
    yield from _providers(client.models())
    inherited = bool(os.environ.get("DOCSFY_JUPYTER_URL"))
    text = "a kernel of this server: connect() needs no arguments" if inherited else "no kernel of a server with the extension"
    yield Finding("ok", "where this runs", text)


def _git() -> Finding:
    program = shutil.which("git")
    if program is None:
        return Finding("fail", "git", "not found on PATH; install git")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    return Finding("ok", "git", version)


def _providers(models: dict[str, dict[str, dict[str, object]]]) -> Iterator[Finding]:
    for name, state in models["provider_status"].items():
        available = bool(state["available"])
        yield Finding("ok" if available else "warn", f"provider {name}", "available" if available else str(state["reason"]))
