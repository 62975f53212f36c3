"""What an OpenAI-compatible server says when it refuses: kept as its own sentence, without a key, and taken for what it means."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from agents import Agents, ran
from chatting import KEY, with_chat
from fake_chat_api import FakeChat, fake_chat, said
from recording import finished, running, start

from docsfy_jupyter.errors import ProviderUnavailable
from docsfy_jupyter.models import Status
from docsfy_jupyter.providers.ai import openai
from docsfy_jupyter.providers.ai.openai import OpenAIProvider
from docsfy_jupyter.providers.ai.openai_server import OpenAIServer


@pytest.fixture
def chat() -> Iterator[FakeChat]:
    with fake_chat() as fake:
        yield fake


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (400, {"error": {"message": f"no such model for {KEY}"}}, "no such model for ***"),
        (404, f"nothing for Bearer {KEY} here", "HTTP 404: nothing for Bearer *** here"),
        (404, "<html><head><title>404\n Not Found</title></head><body>" + "x" * 900, "HTTP 404: 404 Not Found"),
        (200, f"<html><head><title>Log in {KEY}</title></head>", "the answer is not of the chat protocol: HTTP 200: Log in ***"),
    ],
)
async def test_what_a_server_says_is_told_without_the_key_that_it_repeats_and_without_its_markup(
    chat: FakeChat, demo_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, body: Any, says: str
) -> None:
    monkeypatch.setenv("CHAT_KEY", KEY)
    chat.answer = lambda *_: (status, {}, body)
    async with with_chat(chat, tmp_path, key_env="CHAT_KEY") as manager:
        row = await finished(manager, await start(manager, demo_repo, "m", "chat"))
        events = await (await manager.ready()).list_events(row.generation_id, 0, 500)
    assert row.error_message == says
    assert KEY not in f"{row}{events}"


async def test_an_answer_without_end_is_left_and_a_compressed_one_is_read(
    chat: FakeChat, demo_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai, "_LONGEST", 100_000)
    chat.pages = 1
    chat.answer = lambda _, asked: None if asked.planning else (200, {}, said("# A page\n\n" + "x" * 200_000))
    async with with_chat(chat, tmp_path) as manager:
        row = await finished(manager, await start(manager, demo_repo, "m", "chat"))
        assert row.error_message == "1 of 1 pages failed: page-1 (the answer has more than 100,000 bytes)"
        whole = gzip.compress(json.dumps(said("# A page\n\nText.")).encode())
        chat.answer = lambda *_: (200, {"Content-Encoding": "gzip", "Content-Length": str(len(whole))}, whole)
        assert (await finished(manager, await start(manager, demo_repo, "m", "chat"))).status is Status.READY


async def test_secrets_in_headers_queries_and_addresses_are_not_told(chat: FakeChat, demo_repo: Path, tmp_path: Path) -> None:
    chat.answer = lambda _, asked: (400, {}, {"error": {"message": f"bad {asked.headers['X-Api-Key']} at {asked.path}"}})
    async with with_chat(chat, tmp_path, headers={"X-Api-Key": KEY}, query={"code": f"q-{KEY}", "api-version": "2024-10-21"}) as manager:
        row = await finished(manager, await start(manager, demo_repo, "m", "chat"))
    assert KEY not in str(row.error_message)
    assert row.error_message == "bad *** at /v1/chat/completions?code=q-***&api-version=2024-10-21"
    gone = OpenAIServer(base_url=f"http://me:{KEY}@127.0.0.1:1/v1")
    assert gone.shown == "http://127.0.0.1:1/v1"
    assert KEY not in str(OpenAIProvider("gone", gone).not_reached())
    async with running(tmp_path / "gone") as manager:
        manager.providers._makers["gone"] = lambda: OpenAIProvider("gone", gone)
        row = await finished(manager, await start(manager, demo_repo, "m", "gone"))
    assert str(row.error_message).startswith("no connection to http://127.0.0.1:1/v1: ")


def test_a_key_that_no_header_can_carry_is_refused_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_KEY", "sk-…")  # as it was copied from a page
    with pytest.raises(ProviderUnavailable, match=r"CHAT_KEY holds no key: .* no header can carry"):
        OpenAIProvider("chat", OpenAIServer(base_url="http://127.0.0.1/v1", key_env="CHAT_KEY")).check("m")


@pytest.mark.parametrize(
    "act",
    [
        {"error": f"Invalid API key {KEY}"},
        {"raw": "", "stderr": f"cannot log in with {KEY}", "exit": 1},
        {"raw": f"cannot log in with {KEY}", "exit": 1},
        {"say": f"I was given {KEY} and plan nothing."},
    ],
)
async def test_an_agent_that_repeats_its_key_does_not_tell_it(
    agents: Agents, demo_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: dict[str, Any]
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    agents.steer(plan=act)
    async with running(tmp_path) as manager:
        row = await ran(manager, demo_repo)
        events = await (await manager.ready()).list_events(row.generation_id, 0, 500)
    assert row.status is Status.ERROR
    assert KEY not in f"{row}{events}"
    assert "***" in f"{row}{events}"
    assert {call["env"]["ANTHROPIC_API_KEY"] for call in agents.calls()} == {KEY}


async def test_who_asks_to_be_left_alone_for_hours_ends_the_run_at_once(chat: FakeChat, demo_repo: Path, tmp_path: Path) -> None:
    chat.answer = lambda *_: (429, {"Retry-After": "7200"}, {"error": {"message": "daily quota"}})
    async with with_chat(chat, tmp_path) as manager:
        row = await finished(manager, await start(manager, demo_repo, "m", "chat"))
    assert row.error_message == "daily quota (the server asks to be left alone for 2 h 0 min)"
    assert (len(chat.asked), row.untold_calls) == (1, 0)  # what was refused costs nothing


@pytest.mark.parametrize(
    ("error", "says", "asked"),
    [({"message": "No credits", "code": 402}, "No credits", 1), ({"message": "upstream broke", "code": 502}, "upstream broke", 3)],
)
async def test_an_error_that_comes_as_an_answer_is_what_it_says(
    chat: FakeChat, demo_repo: Path, tmp_path: Path, error: dict[str, Any], says: str, asked: int
) -> None:
    chat.answer = lambda *_: (200, {}, {"error": error})
    async with with_chat(chat, tmp_path) as manager:
        row = await finished(manager, await start(manager, demo_repo, "m", "chat"))
    assert (row.error_message, len(chat.asked)) == (says, asked)
