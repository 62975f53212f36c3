"""Starts a user's server through the Hub's API, waits until it is ready, and runs a batch there.

``JUPYTERHUB_API_TOKEN=… python hub_batch.py https://hub.example.org/ ada batch.yaml``. The token needs the scopes ``servers``,
``read:users`` and ``access:servers`` of that user. The exit code is that of ``jupyter docsfy batch``; 3 where the Hub does not
start the server.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

PATIENCE = 600.0  # seconds that a server may take to start: a node may have to be added first


def ask(hub: str, token: str, method: str, path: str) -> tuple[int, Any]:
    """Send one request to the Hub's API; returns status and JSON."""
    headers = {"Authorization": f"token {token}", "Content-Type": "application/json"}
    data = b"{}" if method == "POST" else None
    request = urllib.request.Request(f"{hub.rstrip('/')}/hub/api/{path}", data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")


def start_server(hub: str, token: str, user: str, patience: float = PATIENCE, pause: float = 2.0) -> str:
    """Start the user's server and return its URL once it is ready.

    Raises
    ------
    RuntimeError
        The Hub refuses, or the server is not ready in time.
    """
    name = urllib.parse.quote(user, safe="")
    status, said = ask(hub, token, "POST", f"users/{name}/server")
    if status not in (201, 202) and not (status == 400 and "already running" in str(said)):
        raise RuntimeError(f"The Hub does not start the server of {user}: {status} {said}")
    end = time.monotonic() + patience
    while time.monotonic() < end:
        _, described = ask(hub, token, "GET", f"users/{name}")
        server = (described or {}).get("servers", {}).get("", {})
        if server.get("ready"):
            return urllib.parse.urljoin(hub, server["url"])
        time.sleep(pause)
    raise RuntimeError(f"The server of {user} is not ready after {patience:g} s.")


def main(hub: str, user: str, file: str, *options: str) -> int:
    """Start the server, run the batch there."""
    token = os.environ["JUPYTERHUB_API_TOKEN"]
    try:
        url = start_server(hub, token, user)
    except (RuntimeError, OSError) as error:
        print(error, file=sys.stderr)
        return 3
    environment = {**os.environ, "DOCSFY_JUPYTER_URL": url, "DOCSFY_JUPYTER_TOKEN": token}
    command = ["jupyter", "docsfy", "batch", file, *options]
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
