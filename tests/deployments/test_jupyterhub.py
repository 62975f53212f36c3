"""JupyterHub with its proxy, and users' servers below its prefix: everything works there, for the right people only."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import httpx
import pytest
from appearance import SCREENSHOTS
from browsing import Seen
from commands import run
from hub import Hub, jupyterhub
from lab import Lab
from panels import needs
from servers import Server
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from docsfy_jupyter import ServerUnreachable, TokenNotAccepted, connect

HUB_BATCH = Path(__file__).parents[2] / "docs" / "schedules" / "hub_batch.py"
ADA, BOB, EVE = "ada", "bob@example.org", "eve"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A Hub with three users; Ada's server runs."""
    with jupyterhub(tmp_path_factory.mktemp("hub")) as running:
        for user in (ADA, BOB, EVE):
            (running.home / "users" / user / "root").mkdir(parents=True)
            running.ask("POST", f"users/{user}")
        running.start(ADA)
        yield running


def test_the_guides_file_starts_a_users_server_and_runs_a_batch_there(hub: Hub, shared_repo: Path, tmp_path: Path) -> None:
    (tmp_path / "batch.yaml").write_text(
        json.dumps({"variants": [{"repo": str(shared_repo), "provider": "fake", "model": "pages=2"}]})
    )
    scopes = [f"{scope}!user={BOB}" for scope in ("servers", "read:users", "access:servers")]
    env = {**os.environ, "JUPYTERHUB_API_TOKEN": hub.token_of(BOB, *scopes)}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    command = [sys.executable, str(HUB_BATCH), hub.url, BOB, "batch.yaml", "--json"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    (variant,) = json.loads(done.stdout)["variants"]
    assert (variant["outcome"], variant["owner"]) == ("ready", BOB)
    with connect(hub.url_of(BOB), hub.token_of(BOB)) as client:
        assert client.get("demo", "fake", "pages=2").generation_id == variant["generation_id"]


def test_the_command_line_works_below_the_prefix(hub: Hub, shared_repo: Path, tmp_path: Path) -> None:
    where = ["--url", hub.url_of(ADA), "--token", hub.token_of(ADA)]
    done = run(tmp_path, "generate", str(shared_repo), "--provider", "fake", "--model", "pages=2", *where)
    assert done.returncode == 0, done.stderr
    assert f"The site: {hub.url_of(ADA)}docsfy/docs/demo/main/fake/pages%3D2/index.html" in done.stdout
    listed = run(tmp_path, "list", "--json", *where)
    assert [(row["name"], row["owner"]) for row in json.loads(listed.stdout)["projects"]] == [("demo", ADA)]


def test_a_stopped_server_is_told_apart_from_a_bad_token(hub: Hub, tmp_path: Path) -> None:
    page = f"{hub.url}hub/"
    with connect(hub.url_of(EVE), hub.token_of(EVE)) as client, pytest.raises(ServerUnreachable) as stopped:
        client.list()
    assert stopped.value.message == (
        f"The JupyterHub server {hub.url_of(EVE)}docsfy/ is stopped. Start it at {page}home, then try again."
    )
    told = run(tmp_path, "list", "--url", hub.url_of(EVE), "--token", hub.token_of(EVE))
    assert (told.returncode, "is stopped. Start it at" in told.stderr) == (3, True)
    for wrong in (hub.token_of(BOB), "nonsense"):
        for ask in ("list", "generate"):
            with connect(hub.url_of(ADA), wrong) as client, pytest.raises(TokenNotAccepted) as refused:
                client.list() if ask == "list" else client.generate("https://example.org/o/r")
            assert refused.value.message.startswith(
                f"The token is not accepted by the JupyterHub server {hub.url_of(ADA)}docsfy/."
            )
            assert f"{page}token makes one" in refused.value.message


async def test_who_listens_may_have_a_token_of_the_hub_in_the_query_as_docsfys_command_line_does(hub: Hub) -> None:
    way = f"{hub.url_of(ADA).replace('http', 'ws', 1)}docsfy/api/ws?token="
    socket = await websocket_connect(way + hub.token_of(ADA))
    async with asyncio.timeout(60):
        assert json.loads(str(await socket.read_message()))["type"] == "sync"
    socket.close()
    for wrong in (hub.token_of(BOB), "nonsense", ""):
        with pytest.raises(HTTPClientError) as refused:
            await websocket_connect(way + wrong)
        assert refused.value.code == 403


def log_in(hub: Hub, page: Page, user: str, next_: str = "/jh/hub/token") -> None:
    """Log in to the Hub by its form."""
    page.goto(f"{hub.url}hub/login?next={quote(next_, safe='')}")
    page.get_by_label("Username").fill(user)
    page.get_by_label("Password").fill("any")
    page.get_by_role("button", name="Sign in").click()


@pytest.mark.browser
def test_another_user_sees_the_hubs_refusal_and_nothing_of_the_page(hub: Hub, seen: Seen) -> None:
    log_in(hub, seen.page, BOB)
    seen.page.get_by_role("button", name="Request new API token").wait_for()
    answer = seen.page.goto(f"{hub.url_of(ADA)}docsfy/status/demo/main/fake/pages=3")
    assert answer is not None
    assert (answer.status, urlsplit(answer.url).path) == (403, "/jh/hub/api/oauth2/authorize")
    assert seen.page.locator(".docsfy-panel").count() == 0
    assert not any("/docsfy/api/" in url for url in seen.requests)


@pytest.mark.browser
def test_the_pages_and_their_buttons_work_below_the_prefix(hub: Hub, shared_repo: Path, seen: Seen) -> None:
    with connect(hub.url_of(ADA), hub.token_of(ADA)) as client:
        client.wait(client.generate(shared_repo, provider="fake", model="pages=3"))
    page = seen.page
    log_in(hub, page, ADA, next_="/jh/user/ada/")
    page.get_by_role("button", name="Details of demo, fake/pages=3", exact=True).wait_for()
    assert urlsplit(page.url).path == "/jh/user/ada/docsfy/"
    page.screenshot(path=SCREENSHOTS / "hub-board.png")
    page.goto(f"{hub.url_of(ADA)}docsfy/status/demo/main/fake/pages=3")
    page.get_by_role("button", name="Regenerate").click()
    page.get_by_role("form").get_by_role("button", name="Regenerate").click()
    page.get_by_text("Repository unchanged, docs already up to date").wait_for(timeout=60_000)
    page.screenshot(path=SCREENSHOTS / "hub-status.png")
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download").click()
    assert saved.value.suggested_filename == "demo-main-fake-pages-3.tar.gz"
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="View documentation").click()
    opened.value.get_by_role("link", name="Page 2").first.click()
    opened.value.get_by_text("Text of page-2.").wait_for()
    assert all(path.startswith("/jh/") for path in {urlsplit(url).path for url in seen.requests})
    assert seen.complaints == []


def test_a_run_is_activity_for_the_hub_and_polls_are_none(hub: Hub, shared_repo: Path) -> None:
    def active() -> datetime:
        return datetime.fromisoformat(hub.server(ADA)["last_activity"])

    hub.gate.touch()
    with connect(hub.url_of(ADA), hub.token_of(ADA)) as client:
        row = client.generate(shared_repo, provider="fake", model="pages=1,hold=plan")
        began = datetime.fromisoformat(row.started_at or "")
        hub.until(lambda: (active() - began).total_seconds() > 5)  # nobody has asked the server anything since
        assert client.get(row).status.value == "generating"
        hub.gate.unlink()
        ended = datetime.fromisoformat(client.wait(row).updated_at)
        hub.until(lambda: active() >= ended)  # the server has told the end
        last = active()
        for _ in range(6):  # meanwhile it tells several times how long it has been idle
            time.sleep(0.5)
            client.get(row)
        assert active() == last


@pytest.mark.browser
def test_a_panel_in_a_notebook_follows_and_aborts_below_the_prefix(hub: Hub, site_browser: Browser, shared_repo: Path) -> None:
    needs("jupyterlab")
    hub.gate.touch()
    server = Server(hub.url_of(ADA), "", hub.process, hub.home, hub.log)
    lab = Lab(server, site_browser, hub.home / "users" / ADA, login=lambda page: log_in(hub, page, ADA, "/jh/user/ada/"))
    begin = f"import docsfy_jupyter\nrow = docsfy_jupyter.connect().generate({str(shared_repo)!r}, provider='fake', model='pages=3,hold=page-3')"
    opened = lab.open(f"{begin}\ndocsfy_jupyter.StatusPanel(row.name, 'fake', row.ai_model)")
    opened.run(0)
    opened.panel.locator(".docsfy-numbers", has_text="2 / 3 pages").wait_for(timeout=60_000)
    opened.panel.get_by_role("button", name="Abort").click()
    opened.panel.get_by_role("button", name="Abort run").click()
    opened.page.wait_for_selector(".docsfy-panel[data-state='aborted']", timeout=60_000)
    opened.page.screenshot(path=SCREENSHOTS / "hub-lab.png")
    hub.gate.unlink()
    assert (opened.posts, opened.complaints) == (["api/variant/abort"], []), "by the browser itself, not by the busy kernel"
    opened.page.context.close()


def test_a_kernel_of_a_users_server_finds_it_by_itself(hub: Hub) -> None:
    code = "from docsfy_jupyter import connect; print(connect().health()['data_dir'])"
    with connect(hub.url_of(ADA), hub.token_of(ADA)) as client:
        assert asyncio.run(executed(hub.url_of(ADA), hub.token_of(ADA), code)).strip() == client.health()["data_dir"]


if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


async def executed(url: str, token: str, code: str) -> str:
    """Run code in a kernel of a server, by its REST API and WebSocket as a browser does; returns what it printed."""
    login = {"Authorization": f"token {token}"}
    async with httpx.AsyncClient(headers=login, trust_env=False, timeout=60) as client:
        kernel = (await client.post(f"{url}api/kernels", json={"name": "python3"})).json()["id"]
        way = HTTPRequest(f"{url.replace('http', 'ws', 1)}api/kernels/{kernel}/channels", headers=login)
        socket = await websocket_connect(way)
        header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": "s", "username": "", "version": "5.3"}
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False, "stop_on_error": True}
        await socket.write_message(
            json.dumps(
                {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell", "buffers": []}
            )
        )
        said = ""
        async with asyncio.timeout(90):
            while (text := await socket.read_message()) is not None:
                message = json.loads(text)
                if message["parent_header"].get("msg_id") == header["msg_id"]:
                    said += message["content"].get("text", "") if message["msg_type"] == "stream" else ""
                    assert message["msg_type"] != "error", message["content"]
                    if message["content"].get("execution_state") == "idle":
                        break
        socket.close()
        await client.delete(f"{url}api/kernels/{kernel}")
    return said
