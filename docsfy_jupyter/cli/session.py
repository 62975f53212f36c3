"""The server that a command talks to: the given one, the running one, or a private one for the time it needs."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from docsfy_jupyter.client.client import DocsfyClient, Verify
from docsfy_jupyter.client.discovery import Address, candidates
from docsfy_jupyter.errors import ClientError, ServerNotFound, ServerUnreachable, StoreUnavailable
from docsfy_jupyter.temporary import owned_folder

_PATIENCE = 60.0


@contextmanager
def open_client(
    url: str | None, token: str | None, data_dir: str | None, verify: Verify = True
) -> Iterator[tuple[DocsfyClient, bool]]:
    """Yield a client, and whether its server is private: the given one, the one that runs, or a private one where none runs.

    Raises
    ------
    ServerNotFound
        Several servers have the extension: never a guess.
    StoreUnavailable
        Another process holds the data folder; the message says which.
    """
    found = [] if data_dir and not url else candidates(url, token)
    if len(found) > 1:
        urls = ", ".join(str(server) for server in found)
        raise ServerNotFound(f"Several running Jupyter servers have docsfy_jupyter: {urls}. Choose one with --url.")
    if found:
        with DocsfyClient(found[0], verify=verify) as client:
            yield client, False
        return
    with _private_server(data_dir) as address, DocsfyClient(address) as client:
        yield client, True


@contextmanager
def _private_server(data_dir: str | None) -> Iterator[Address]:
    with owned_folder("docsfy-private-") as (home, held):
        port, token = _free_port(), secrets.token_urlsafe(24)
        (home / "root").mkdir()
        log = home / "server.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                _arguments(home, port, data_dir),
                env=_environment(home, token),
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                start_new_session=True,
                pass_fds=held,  # it outlives a command that is killed, for a moment
            )
        address = Address(f"http://127.0.0.1:{port}/docsfy/", token)
        try:
            _await_health(address, process, log)
            yield address
        finally:
            _stop(process)


def _arguments(home: Path, port: int, data_dir: str | None) -> list[str]:
    arguments = [  # -P: a module of the folder that one stands in, perhaps a stranger's checkout, is never imported
        sys.executable, "-P", "-m", "docsfy_jupyter.server.private", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0", "--ServerApp.open_browser=False", "--ServerApp.allow_root=True",
        f"--ServerApp.root_dir={home / 'root'}",
    ]  # fmt: skip
    return [*arguments, f"--DocsfyApp.data_dir={Path(data_dir).expanduser().absolute()}"] if data_dir else arguments


def _environment(home: Path, token: str) -> dict[str, str]:
    # its runtime folder is its own, so that nobody else finds this server; the token is no argument, so that ps shows none
    return {**os.environ, "JUPYTER_RUNTIME_DIR": str(home / "runtime"), "JUPYTER_TOKEN": token}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_health(address: Address, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _PATIENCE
    with DocsfyClient(address) as client:
        while time.monotonic() < end and process.poll() is None:
            try:
                client.health()
            except StoreUnavailable as error:
                if not error.message.startswith("The database is being opened"):
                    raise
            except ClientError:
                pass
            else:
                return
            time.sleep(0.05)
    tail = log.read_text("utf-8", "replace")[-2000:]
    raise ServerUnreachable(f"The private server did not start. Its log ends:\n{tail}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdin is not None:
        process.stdin.close()
