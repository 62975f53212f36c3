"""Which server is found, with which token: files of live and dead processes, the environment, several servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from servers import Server

from docsfy_jupyter import ServerNotFound
from docsfy_jupyter.client import discovery
from docsfy_jupyter.client.discovery import candidates, find_server, is_loopback, normal_url

HOME = "http://127.0.0.1:9/"


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime folder of its own."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    return tmp_path


def announce(folder: Path, pid: int, url: str = HOME, name: str = "jpserver", **more: object) -> None:
    data = {"pid": pid, "url": url, "token": f"token-{pid}", "root_dir": f"/home/{pid}", "sock": "", **more}
    (folder / f"{name}-{pid}.json").write_text(json.dumps(data))


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("http://localhost:8888", "http://localhost:8888/docsfy/"),
        ("localhost:8888", "http://localhost:8888/docsfy/"),
        ("http://localhost:8888/docsfy", "http://localhost:8888/docsfy/"),
        ("http://h:1/user/a@b/docsfy/", "http://h:1/user/a@b/docsfy/"),
        ("http://h:1/user/a@b/?token=secret#x", "http://h:1/user/a@b/docsfy/"),
        ("http://h:1/lab?token=secret", "http://h:1/docsfy/"),
        ("http://h:1/base/tree", "http://h:1/base/docsfy/"),
        ("http://h:1/lab/", "http://h:1/lab/docsfy/"),
        ("http://h:1/user/lab", "http://h:1/user/lab/docsfy/"),
        ("http://0.0.0.0:8888/", "http://127.0.0.1:8888/docsfy/"),
        ("http://[::]:8888/x", "http://[::1]:8888/x/docsfy/"),
        ("https://*:8888/", "https://127.0.0.1:8888/docsfy/"),
    ],
)
@pytest.mark.case("J17")
def test_an_address_to_listen_on_becomes_one_to_connect_to(given: str, wanted: str) -> None:
    assert normal_url(given) == wanted


def test_the_home_of_a_user_called_docsfy_is_not_the_extension() -> None:
    assert normal_url("http://h/user/docsfy/", is_base=True) == "http://h/user/docsfy/docsfy/"


@pytest.mark.parametrize("nonsense", ["http://[::1", "ftp://h/", "http://h:99999/"])
def test_what_is_no_address_of_a_server_is_refused(nonsense: str) -> None:
    with pytest.raises(ServerNotFound, match="not the URL of a server"):
        normal_url(nonsense)


def test_loopback_is_known_by_name_and_number() -> None:
    assert all(is_loopback(f"http://{host}:1/") for host in ("localhost", "a.localhost", "127.3.2.1", "[::1]"))
    assert not any(is_loopback(f"http://{host}/") for host in ("example.org", "10.0.0.1", "localhost.example.org"))


@pytest.mark.case("J10")
def test_files_that_are_dead_broken_or_foreign_are_passed_over(runtime: Path) -> None:
    announce(runtime, dead_pid())
    (runtime / "jpserver-1.json").write_text('{"pid": 1, "url": "http')
    (runtime / "jpserver-2.json").write_text("[]")
    announce(runtime, os.getpid(), name="nbserver")
    announce(runtime, os.getppid(), url="http+unix://%2Ftmp%2Fx/", sock="/tmp/x")
    with pytest.raises(ServerNotFound, match=r"No running Jupyter server.*url='http://localhost:8888/', token="):
        find_server(None, None, {})
    announce(runtime, os.getpid(), url="http://machine:9/", hostname="0.0.0.0")
    assert find_server(None, None, {}).url == f"{HOME}docsfy/"


@pytest.mark.case("J10")
def test_of_several_servers_the_owner_of_the_kernel_is_taken_and_otherwise_none(runtime: Path) -> None:
    announce(runtime, os.getpid())
    announce(runtime, os.getppid(), url="http://127.0.0.1:10/")
    found = find_server(None, None, {"JPY_PARENT_PID": str(os.getppid())})
    assert (found.url, found.token) == ("http://127.0.0.1:10/docsfy/", f"token-{os.getppid()}")
    with pytest.raises(ServerNotFound) as error:
        find_server(None, None, {})
    assert all(text in error.value.message for text in ("127.0.0.1:9/", "127.0.0.1:10/", f"/home/{os.getpid()}", "url="))


@pytest.mark.case("J10")
def test_of_several_servers_the_one_that_has_the_extension_is_taken(runtime: Path, shared_server: Server) -> None:
    announce(runtime, os.getpid())
    announce(runtime, shared_server.process.pid, url=shared_server.url)
    assert find_server(None, None, {}).url == shared_server.api
    announce(runtime, os.getppid(), url=shared_server.url.replace("127.0.0.1", "localhost"))
    assert len(candidates(None, None, {})) == 2
    with pytest.raises(ServerNotFound, match="2 Jupyter servers run, and none of them is known to own this process"):
        find_server(None, None, {})


def test_arguments_beat_the_environment_and_a_token_goes_only_where_it_belongs(runtime: Path) -> None:
    environ = {"DOCSFY_JUPYTER_URL": "http://127.0.0.1:7/docsfy", "DOCSFY_JUPYTER_TOKEN": "secret"}
    announce(runtime, os.getpid())
    assert find_server(None, None, environ) == discovery.Address("http://127.0.0.1:7/docsfy/", "secret")
    assert find_server("http://elsewhere.example/", None, environ).token == ""
    assert find_server("http://localhost:7/", None, environ).token == "secret"
    assert find_server("http://localhost:9", None, environ).token == f"token-{os.getpid()}"
    assert find_server(HOME, "mine", environ).token == "mine"
    assert "secret" not in repr(find_server(None, None, environ))


@pytest.mark.case("J10")
@pytest.mark.parametrize("variable", ["JUPYTERHUB_API_TOKEN", "JPY_API_TOKEN"])
def test_a_hub_says_where_and_with_which_token(runtime: Path, variable: str) -> None:
    hub = {"JUPYTERHUB_SERVICE_PREFIX": "/user/a@b/", "JUPYTERHUB_SERVICE_URL": "http://0.0.0.0:8888/user/a@b/", variable: "hub"}
    assert find_server(None, None, hub) == discovery.Address("http://127.0.0.1:8888/user/a@b/docsfy/", "hub")
    announce(runtime, os.getpid(), token="")
    assert find_server(HOME, None, {variable: "hub"}).token == "hub"


def test_looking_for_servers_leaves_no_warning_in_their_logs(start_server: Callable[..., Server], runtime: Path) -> None:
    server = start_server()
    announce(runtime, os.getpid(), server.url, token=server.token)
    assert [address.token for address in candidates(None, None, {})] == [server.token]
    assert "403 GET" not in server.log.read_text("utf-8")


def test_the_token_of_a_url_that_jupyter_prints_is_taken_and_shown_nowhere() -> None:
    url = f"{HOME}lab?token=s%40same"
    for found in (find_server(url, None, {}), find_server(None, None, {"DOCSFY_JUPYTER_URL": url})):
        assert (found.url, found.token) == (f"{HOME}docsfy/", "s@same")
        assert "same" not in repr(found)
    assert find_server(url, "given", {}).token == "given"
    assert find_server(None, None, {"DOCSFY_JUPYTER_URL": url, "DOCSFY_JUPYTER_TOKEN": "told"}).token == "told"
    for bad in ("https://me:secret@h/", "https://secret@h/user/a", "ftp://me:secret@h/?token=secret", "http://h:x/?token=secret", "secret@h:8888"):
        with pytest.raises(ServerNotFound) as refused:
            normal_url(bad)
        assert "secret" not in refused.value.message
        assert "h" in refused.value.message
