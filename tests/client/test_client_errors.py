"""What goes wrong between a client and real servers, and the advice that each error carries."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from jupyter_server.auth.security import passwd
from servers import Server, end, free_port, launch

from docsfy_jupyter import (
    BadRequest,
    ClientError,
    ExtensionNotEnabled,
    GenerationFailed,
    ServerUnreachable,
    Status,
    TokenNotAccepted,
    connect,
    connect_async,
)

ENABLE = "run `jupyter server extension enable docsfy_jupyter` and restart Jupyter"


@pytest.fixture
def start_any(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start real servers of which no answer of ours is expected; they are stopped at the end."""
    servers: list[Server] = []

    def start(*extra: str, **options: object) -> Server:
        servers.append(launch(tmp_path, *extra, **options))
        port = int(servers[-1].url.split(":")[-1].split("/")[0])
        until = time.monotonic() + 40
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return servers[-1]
            time.sleep(0.1)
        raise AssertionError(servers[-1].log.read_text()[-3000:])

    yield start
    for server in servers:
        end(server)


def complaint(url: str, token: str | None = "test-token", **options: object) -> ClientError:
    """Return what `list` raises."""
    with connect(url, token, **options) as client, pytest.raises(ClientError) as error:
        client.list()
    return error.value


@pytest.mark.case("J03")
@pytest.mark.case("J14")
@pytest.mark.parametrize("token", ["wrong", ""])
def test_a_token_that_is_missing_or_wrong_is_named_as_such_for_reads_and_writes(shared_server: Server, token: str) -> None:
    with connect(shared_server.url, token) as client:
        calls = (client.list, client.models, lambda: client.generate("https://example.org/x"), lambda: client.abort("x", "y", "z"))
        for call in calls:
            with pytest.raises(TokenNotAccepted) as error:
                call()
            assert "not accepted" in error.value.message if token else "wants a token" in error.value.message
            assert shared_server.url in error.value.message
            assert "xsrf" not in error.value.message.lower()


@pytest.mark.case("J06")
async def test_a_server_with_the_extension_off_is_told_apart_and_the_command_named(start_any: Callable[..., Server]) -> None:
    server = start_any(enabled=False)
    error = complaint(server.url)
    assert isinstance(error, ExtensionNotEnabled)
    assert f"extension is not enabled on {server.url}docsfy/; {ENABLE}" in error.message
    async with connect_async(server.url, "test-token") as client:
        with pytest.raises(ExtensionNotEnabled):
            await client.generate("https://example.org/x")
    # without a token Jupyter itself refuses, and says nothing of extensions
    assert isinstance(complaint(server.url, ""), TokenNotAccepted | ExtensionNotEnabled)


def test_a_server_with_only_a_password_says_how_it_is_reached(start_any: Callable[..., Server]) -> None:
    server = start_any(f"--PasswordIdentityProvider.hashed_password={passwd('secret', 'sha1')}", token="")
    error = complaint(server.url, "")
    assert isinstance(error, TokenNotAccepted)
    assert "only a password is reached from its own kernels" in error.message


@pytest.mark.case("J12")
def test_an_own_certificate_is_refused_until_it_is_passed(start_any: Callable[..., Server], tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "own ca.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*make, *names], check=True, capture_output=True)
    server = start_any(f"--ServerApp.certfile={certificate}", f"--ServerApp.keyfile={key}")
    url = server.url.replace("http:", "https:")
    error = complaint(url)
    assert isinstance(error, ServerUnreachable)
    assert "verify='/path/to/ca.pem'" in error.message
    with connect(url, "test-token", verify=certificate) as client:
        assert client.list() == []
    with connect(url, "test-token", verify=False) as client:
        assert client.list() == []
    with pytest.raises(BadRequest, match=r"verify='.*/none.pem' cannot be used: No such file"):
        connect(url, "test-token", verify=tmp_path / "none.pem")


@pytest.mark.case("J17")
def test_a_name_that_the_server_does_not_answer_to_is_not_called_a_bad_token(
    shared_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *args, **more: resolve("127.0.0.1", *args, **more))
    error = complaint(shared_server.url.replace("127.0.0.1", "myhost"))
    assert "Blocking request with non-local 'Host' myhost" in error.message
    assert "token" not in error.message
    assert connect(shared_server.url.replace("127.0.0.1", "0.0.0.0"), "test-token").url == shared_server.api


@pytest.mark.case("J17")
def test_a_server_on_all_ipv6_addresses_is_found_at_its_loopback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    server = launch(tmp_path, ip="::")
    try:
        until = time.monotonic() + 40
        while time.monotonic() < until and not list((tmp_path / "runtime").glob("jpserver-*.json")):
            time.sleep(0.1)
        with connect() as client:
            assert client.url.startswith("http://[::1]:")
            assert client.list() == []
    finally:
        end(server)


def test_a_base_url_with_an_at_sign_works_and_a_server_that_is_stopped_is_said_to_be(start_server: Callable[..., Server], demo_repo: Path, tmp_path: Path) -> None:
    server = start_server(base_url="/user/a@b/")
    with connect(server.url, server.token) as client:
        ready = client.wait(client.generate(demo_repo, provider="fake", model="pages=1"), timeout=60)
        assert ready.status is Status.READY
        assert client.download(ready, target=tmp_path / "x.tar.gz").stat().st_size > 1000
    with connect(f"{server.url}docsfy", server.token) as client:
        assert client.get("demo") == ready
        server.stop()
        with pytest.raises(ServerUnreachable, match=rf"{server.url}docsfy/.*stopped; `jupyter server list` shows those that run"):
            client.list()
    assert isinstance(complaint(server.url), ServerUnreachable)


def test_a_wait_outlives_a_restart_and_says_what_became_of_the_run(
    start_server: Callable[..., Server], demo_repo: Path, tmp_path: Path
) -> None:
    port = free_port()
    server = start_server(port=port)
    outcome: list[BaseException] = []

    def wait() -> None:
        with connect(server.url, server.token) as client:
            try:
                client.wait("demo", timeout=120)
            except BaseException as error:  # noqa: BLE001  whatever it was is what the test is about
                outcome.append(error)

    with connect(server.url, server.token) as client:
        client.generate(demo_repo, provider="fake", model="pages=1,sleep=60")
    waiting = threading.Thread(target=wait)
    waiting.start()
    time.sleep(1)
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    start_server(port=port)
    waiting.join(60)
    assert isinstance(outcome[0], GenerationFailed)
    assert "Server restarted during generation" in outcome[0].message


class Elsewhere(BaseHTTPRequestHandler):
    """What is no Jupyter server: a hub's proxy, a page that asks to log in, a proxy of a company."""

    answers: ClassVar[dict[str, tuple[int, dict[str, str], bytes]]] = {
        "stopped": (302, {"Location": "/hub/user/me/"}, b""),
        "login": (302, {"Location": "/hub/login?next=x"}, b""),
        "portal": (200, {"Content-Type": "text/html"}, b"<h1>Welcome</h1>"),
        "gateway": (502, {"Content-Type": "text/html"}, b"<h1>Bad gateway</h1>"),
    }

    def do_GET(self) -> None:
        asked = self.requestline.split()[1]
        kind = "gateway" if asked.startswith("http://") else asked.split("/")[1]
        status, headers, body = self.answers[kind]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Elsewhere)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("kind", "wanted", "text"),
    [
        ("stopped", ServerUnreachable, "is stopped or has moved"),
        ("login", TokenNotAccepted, "not accepted"),
        ("portal", ExtensionNotEnabled, ENABLE),
        ("gateway", ServerUnreachable, "answered 502 Bad Gateway"),
    ],
)
def test_what_is_no_jupyter_server_is_no_decoding_error(elsewhere: str, kind: str, wanted: type, text: str) -> None:
    error = complaint(f"{elsewhere}{kind}/")
    assert type(error) is wanted
    assert text in error.message


def test_a_proxy_is_used_for_others_and_never_for_this_machine(
    elsewhere: str, shared_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, elsewhere)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with connect(shared_server.url, shared_server.token) as client:
        assert client.health()["status"] == "ok"
    assert "answered 502" in complaint("http://jupyter.example.invalid/").message


def test_a_cell_shows_its_own_lines_and_the_message_and_nothing_of_the_package() -> None:
    cell = f"""
from docsfy_jupyter import connect
def ask(name):
    return connect("http://127.0.0.1:{free_port()}/", token="x").get(name)
ask("click")
"""
    command = [sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor", "-c", cell]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert [line.rpartition(", in ")[2] for line in lines if line.startswith("File ")] == ["<module>", "ask"]
    assert 'ask("click")' in lines
    assert lines[-1].startswith("ServerUnreachable: No connection to ")
