"""JupyterHub with its own proxy on loopback, whose users' servers have the extension."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from companions import environment, missing, npm_programs
from lab import EXPOSED
from servers import FAKE, FRONTENDS, free_port

JUPYTERHUB = os.environ.get("DOCSFY_TEST_HUB", "jupyterhub==6.1.1")  # Binder's images have 5: jupyterhub==5.5.4
PROXY = "configurable-http-proxy@5.3.0"


@dataclass
class Hub:
    """A Hub that runs."""

    url: str
    token: str  # of a service that may do all that the tests need
    home: Path
    log: Path
    process: subprocess.Popen[bytes]

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Send a request to the Hub's API."""
        headers = {"Authorization": f"token {self.token}"}
        answer = httpx.request(method, f"{self.url}hub/api/{path}", headers=headers, timeout=60, trust_env=False, **options)
        assert answer.is_success, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    def token_of(self, user: str, *scopes: str) -> str:
        """Make a token of a user, of all that they may do or of some scopes."""
        body = {"scopes": list(scopes)} if scopes else {}
        return str(self.ask("POST", f"users/{quote(user)}/tokens", json=body)["token"])

    def server(self, user: str) -> dict[str, Any]:
        """Return what the Hub knows of a user's server; empty when it is stopped."""
        return dict(self.ask("GET", f"users/{quote(user)}")["servers"].get("", {}))

    @property
    def gate(self) -> Path:
        """While this file exists, runs of the fake provider wait where they were told to."""
        return self.home / "gate"

    def url_of(self, user: str) -> str:
        return f"{self.url}user/{quote(user, safe='@')}/"

    def start(self, user: str) -> str:
        """Start a user's server; returns its URL."""
        self.ask("POST", f"users/{quote(user)}/server")
        self.until(lambda: self.server(user).get("ready"))
        return self.url_of(user)

    def until(self, true: Any, seconds: float = 90) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, self.log.read_text()[-4000:]
            time.sleep(0.2)


def configuration(home: Path, port: int, token: str, programs: Path, proxy: Path) -> str:
    """Return the Hub's configuration, as text."""
    commands = {"fake": [sys.executable, str(FAKE)]}
    extensions = {"docsfy_jupyter": True, **dict.fromkeys(set(FRONTENDS) & {"jupyterlab"}, True)}
    share = Path(sys.prefix) / "share" / "jupyter"  # the front end is that of the tests' environment
    variables = {"JUPYTERLAB_DIR": f"{share}/lab", "JUPYTER_PATH": str(share), "JUPYTER_PLATFORM_DIRS": "1"}
    variables |= {"JUPYTERHUB_ACTIVITY_INTERVAL": "1", "XDG_DOCSFY_GATE": f"{home}/gate"}
    lines: Sequence[tuple[str, object]] = [
        ("JupyterHub.bind_url", f"http://127.0.0.1:{port}/jh/"),
        ("JupyterHub.hub_bind_url", f"http://127.0.0.1:{free_port()}"),
        ("JupyterHub.db_url", "sqlite:///:memory:"),
        ("JupyterHub.activity_resolution", 0),
        ("ConfigurableHTTPProxy.api_url", f"http://127.0.0.1:{free_port()}"),
        ("ConfigurableHTTPProxy.command", [str(shutil.which("node")), str(proxy / "configurable-http-proxy")]),
        ("JupyterHub.authenticator_class", "dummy"),
        ("Authenticator.allow_all", True),
        ("JupyterHub.spawner_class", "simple"),
        ("SimpleLocalProcessSpawner.home_dir_template", f"{home}/users/{{username}}"),
        ("Spawner.cmd", [str(programs / "jupyterhub-singleuser")]),
        (
            "Spawner.args",
            [
                "--allow-root",
                f"--ServerApp.jpserver_extensions={extensions!r}",
                f"--DocsfyApp.command_providers={commands!r}",
                *EXPOSED[:1],
            ],
        ),
        ("Spawner.environment", variables),
        ("Spawner.notebook_dir", f"{home}/users/{{username}}/root"),
        ("Spawner.default_url", "/docsfy/"),
        ("JupyterHub.services", [{"name": "tests", "api_token": token}]),
        (
            "JupyterHub.load_roles",
            [{"name": "tests", "services": ["tests"], "scopes": ["admin:users", "admin:servers", "tokens", "access:servers"]}],
        ),
    ]
    return "".join(f"c.{name} = {value!r}\n" for name, value in lines)


@contextmanager
def jupyterhub(home: Path) -> Iterator[Hub]:
    """Run a Hub whose files are below ``home``; users' servers end with it."""
    if shutil.which("node") is None:
        missing("node is not on the PATH")
    programs, proxy = environment(JUPYTERHUB), npm_programs(PROXY)
    port, token = free_port(), secrets.token_hex(16)
    config, log = home / "jupyterhub_config.py", home / "hub.log"
    config.write_text(configuration(home, port, token, programs, proxy))
    env = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(programs / "jupyterhub"), "-f", str(config)],
            cwd=home, env=env, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    hub = Hub(f"http://127.0.0.1:{port}/jh/", token, home, log, process)
    try:
        hub.until(lambda: process.poll() is not None or _answers(hub))
        assert process.poll() is None, log.read_text()[-4000:]
        yield hub
    finally:
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(hub: Hub) -> bool:
    try:
        return httpx.get(f"{hub.url}hub/api/", trust_env=False).is_success
    except httpx.TransportError:
        return False
