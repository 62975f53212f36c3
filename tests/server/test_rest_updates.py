"""The WebSocket: what docsfy's own clients are told, when, and who may listen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from servers import Server
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect
from walking import path_of

from docsfy_jupyter.generation.feed import ChangeFeed
from docsfy_jupyter.models import Stage, Status, Variant
from docsfy_jupyter.server.listing import Listing
from docsfy_jupyter.server.updates import change

KEY = {"name", "branch", "provider", "model", "owner", "status", "type"}


@asynccontextmanager
async def listening(server: Server, token: str | None = None, **headers: str) -> Any:
    """Open the WebSocket as docsfy's command line does: with the token in the query."""
    url = f"{server.api.replace('http', 'ws', 1)}api/ws?token={server.token if token is None else token}"
    socket = await websocket_connect(HTTPRequest(url, headers=headers))
    try:
        yield socket
    finally:
        socket.close()
        while await asyncio.wait_for(socket.read_message(), 30) is not None:
            pass


async def heard(socket: WebSocketClientConnection, last: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """Read messages up to one."""
    messages: list[dict[str, Any]] = []
    async with asyncio.timeout(60):
        while not messages or not last(messages[-1]):
            text = await socket.read_message()
            assert text is not None, f"the server closed the socket after {messages}"
            messages.append(json.loads(text))
    return messages


async def call(server: Server, method: str, path: str, **options: Any) -> Any:
    answer = await asyncio.to_thread(server.call, method, path, **options)
    assert answer.status_code < 300, answer.text
    return answer.json()


async def test_a_listener_hears_every_variant_first_and_then_a_run_to_its_end(shared_server: Server, shared_repo: Path) -> None:
    model = "pages=3,sleep=0.3"
    async with listening(shared_server) as socket:
        (sync,) = await heard(socket, lambda message: True)
        assert sync["type"] == "sync"
        listed = await call(shared_server, "GET", "api/projects")
        assert {**sync, "type": None} == {
            **{k: listed[k] for k in ("projects", "known_branches", "known_models", "total")},
            "type": None,
        }
        body = {"repo_path": str(shared_repo), "name": "heard", "branch": "main", "provider": "fake", "model": model}
        started = await call(shared_server, "POST", "api/generate", json=body)
        told = await heard(socket, lambda message: message["type"] == "status_change" and message["name"] == "heard")
    own = [message for message in told if message.get("name") == "heard"]
    assert all(message.keys() >= KEY for message in own)
    assert {(message["branch"], message["provider"], message["model"]) for message in own} == {("main", "fake", model)}
    assert {message["generation_id"] for message in own} == {started["generation_id"]}
    assert [message["type"] for message in own] == ["progress"] * (len(own) - 1) + ["status_change"]
    assert {message["status"] for message in own[:-1]} == {"generating"}
    stages = list(dict.fromkeys(message["current_stage"] for message in own[:-1] if "current_stage" in message))
    assert stages[-2:] == ["generating_pages", "rendering"] or stages[-1] == "generating_pages"
    counts = [message["page_count"] for message in own if "page_count" in message]
    assert counts == sorted(counts)
    assert (own[-1]["status"], own[-1]["page_count"]) == ("ready", 3)
    planned = [message for message in own if "plan_json" in message]
    assert len(planned) == 1, "a plan is long: it is told once"
    assert len(json.loads(planned[0]["plan_json"])["navigation"][0]["pages"]) == 3
    assert "error_message" not in own[-1], "what has no value is left out"


async def test_an_abort_and_a_deletion_are_heard(shared_server: Server, shared_repo: Path) -> None:
    model = "pages=1,sleep=60"
    path = path_of("unheard", "main", "fake", model)
    body = {"repo_path": str(shared_repo), "name": "unheard", "branch": "main", "provider": "fake", "model": model}
    async with listening(shared_server) as socket:
        await heard(socket, lambda message: message["type"] == "sync")
        await call(shared_server, "POST", "api/generate", json=body)
        await call(shared_server, "POST", f"{path}/abort")
        told = await heard(socket, lambda message: message["type"] == "status_change" and message["name"] == "unheard")
        assert (told[-1]["status"], told[-1]["error_message"]) == ("aborted", "Generation aborted by user")
        await call(shared_server, "DELETE", path)
        sync = (await heard(socket, lambda message: message["type"] == "sync"))[-1]
        assert "unheard" not in {row["name"] for row in sync["projects"]}


async def test_a_quiet_server_pings_and_takes_what_it_is_sent(
    start_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import docsfy_jupyter.server.updates as updates\nupdates.PING = 0.2\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    async with listening(start_server()) as socket:
        assert [message["type"] for message in await heard(socket, lambda message: message["type"] == "ping")] == ["sync", "ping"]
        for text in (json.dumps({"type": "pong"}), "not json", "[1]"):
            await socket.write_message(text)
        assert await heard(socket, lambda message: message["type"] == "ping") == [{"type": "ping"}]


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_nobody_listens_without_a_token(shared_server: Server, token: str) -> None:
    with pytest.raises(HTTPClientError) as refused:
        async with listening(shared_server, token):
            pass
    assert refused.value.code == 403


async def test_a_login_is_enough_but_not_for_a_page_of_another_site(shared_server: Server) -> None:
    async with httpx.AsyncClient(trust_env=False) as browser:
        await browser.get(f"{shared_server.url}api/status", params={"token": shared_server.token})
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    own = shared_server.url.rstrip("/")
    async with listening(shared_server, "", Cookie=cookie, Origin=own) as socket:
        assert (await heard(socket, lambda message: True))[0]["type"] == "sync"
    with pytest.raises(HTTPClientError) as refused:
        async with listening(shared_server, "", Cookie=cookie, Origin="https://evil.example"):
            pass
    assert refused.value.code == 404  # as Jupyter answers every call of its API from another origin


def test_a_request_that_is_no_websocket_is_told_so(shared_server: Server) -> None:
    answer = shared_server.call("GET", "api/ws")
    assert answer.status_code == 400
    assert "WebSocket" in answer.json()["detail"]
    assert shared_server.call("POST", "api/ws").status_code == 405


def test_a_change_that_no_client_sees_is_not_told() -> None:
    row = Variant("n", "main", "local", "static", "me", "https://h.example/n", Status.GENERATING, "t", "t", generation_id="g")
    assert change(row, row.changed(updated_at="u")) is None
    assert change(None, row) == {
        "type": "progress", "name": "n", "branch": "main", "provider": "local", "model": "static", "owner": "me",
        "status": "generating", "page_count": 0, "generation_id": "g",
    }  # fmt: skip
    planned = row.changed(current_stage=Stage.GENERATING_PAGES, plan_json="{}")
    assert (change(row, planned) or {})["plan_json"] == "{}"
    assert "plan_json" not in (change(planned, planned.changed(page_count=1)) or {})
    assert (change(planned, planned.changed(status=Status.READY)) or {})["type"] == "status_change"


async def test_the_first_message_is_one_that_docsfys_command_line_takes_however_many_variants_there_are() -> None:
    feed = ChangeFeed()
    row = Variant("n", "main", "local", "static", "me", "https://h.example/n", Status.READY, "t", "t", generation_id="g")
    for number in range(3000):
        feed.put(row.changed(name=f"name-{number}", updated_at=f"2026-01-01T00:00:{number:06}"))
    message = await Listing(feed).sync()
    assert 0.9 * 2**20 < len(message.encode()) <= 2**20  # websockets' limit, unless it is told another
    sync = json.loads(message)
    assert sync["total"] == 3000
    names = [shown["name"] for shown in sync["projects"]]
    assert names == [f"name-{2999 - place}" for place in range(len(names))]
