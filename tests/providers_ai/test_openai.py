"""The provider for OpenAI-compatible servers, end to end against a real HTTP server that speaks the protocol."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from chatting import KEY, with_chat
from fake_chat_api import Asked, FakeChat, fake_chat, plan_text, said
from recording import finished, running, start, until
from servers import commit, git

from docsfy_jupyter.errors import BadRequest, ProviderUnavailable
from docsfy_jupyter.models import Stage, Status
from docsfy_jupyter.providers.ai.gate import retry_after
from docsfy_jupyter.providers.ai.openai import OpenAIProvider
from docsfy_jupyter.providers.ai.openai_server import OpenAIServer, server_of


@pytest.fixture
def chat() -> Iterator[FakeChat]:
    with fake_chat() as fake:
        yield fake


def test_check_says_what_is_missing_and_asks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(ProviderUnavailable, match="MY_KEY"):
        OpenAIProvider("x", OpenAIServer(base_url="https://h.example/v1", key_env="MY_KEY")).check("m")
    monkeypatch.setenv("MY_KEY", "sk-\x01")
    with pytest.raises(ProviderUnavailable, match="control characters"):
        OpenAIProvider("x", OpenAIServer(base_url="https://h.example/v1", key_env="MY_KEY")).check("m")
    with pytest.raises(ProviderUnavailable, match="no default model"):
        OpenAIProvider("x", OpenAIServer(base_url="https://h.example/v1")).check("")
    with pytest.raises(ProviderUnavailable, match="base_url"):
        OpenAIProvider("x", OpenAIServer(base_url="ftp://h.example")).check("m")


@pytest.mark.parametrize(
    ("options", "faults"),
    [
        ({"base_ulr": "http://x/v1"}, "'base_url' is missing; there is no key 'base_ulr' (did you mean 'base_url'?)"),
        ({"base_url": "http://x/v1", "api\x1b[2J": KEY}, r"there is no key 'api\x1b[2J'"),
        ({"base_url": "http://x/v1", "key_env": [KEY]}, "'key_env': Input should be a valid string"),
        ({"base_url": "http://x/v1", 3: 4}, "'3': Keys should be strings"),
    ],
)
def test_a_fault_in_the_trait_is_one_sentence_without_its_values(options: dict[Any, Any], faults: str) -> None:
    with pytest.raises(ProviderUnavailable) as refused:
        server_of("mine", options)
    keys = "base_url, key_env, models, default_model, prices, max_input_tokens, headers, query"
    assert refused.value.message == f"c.DocsfyApp.openai_servers['mine'] cannot be used: {faults}. Its keys are {keys}."


async def test_a_server_that_is_not_there_is_said_with_what_to_do(demo_repo: Path, tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: no connection, and nobody else gets the port
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/v1"
        provider = OpenAIProvider("dead", server_of("dead", {"base_url": url, "default_model": "m"}))
        async with running(tmp_path) as manager:
            manager.providers._makers["dead"] = lambda: provider
            row = await finished(manager, await start(manager, demo_repo, ai_provider="dead", branch="main"))
    assert row.status is Status.ERROR
    wanted = f"no connection to {url}: All connection attempts failed. Start that server, or change its base_url in c.DocsfyApp.openai_servers"
    assert wanted in (row.error_message or "")


def test_a_service_elsewhere_that_is_not_reached_is_not_called_a_server_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    provider = OpenAIProvider("far", OpenAIServer(base_url="https://host.invalid/v1"))
    said = provider.not_reached() or ""
    assert said.startswith("no connection to https://host.invalid/v1: ")
    assert said.endswith("See whether the network and its proxy let you there, or change its base_url in c.DocsfyApp.openai_servers")


async def test_from_generate_to_site_with_key_cost_and_material(
    chat: FakeChat, demo_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", f"{KEY}\n")  # as a file that ends with a line has it
    commit(demo_repo, {".env": "PASSWORD=hunter22hunter22", "README.md": "# Demo\n\nThe README's own words."})
    async with with_chat(chat, tmp_path, key_env="MY_KEY", prices={"org/m@1": (1.0, 10.0)}) as manager:
        row = await finished(manager, await start(manager, demo_repo, "org/m@1", "chat"))
        assert (row.status, row.page_count, row.site) == (Status.READY, 3, True)
        assert row.run_cost_usd == row.total_cost_usd == pytest.approx(4 * (1000 * 1.0 + 200 * 10.0) / 1e6)
        again = await finished(manager, await start(manager, demo_repo, "org/m@1", "chat", force=True))
        assert (again.run_cost_usd, again.total_cost_usd) == (pytest.approx(0.012), pytest.approx(0.024))
        unchanged = await finished(manager, await start(manager, demo_repo, "org/m@1", "chat"))
        assert (unchanged.run_cost_usd, unchanged.total_cost_usd) == (0.0, pytest.approx(0.024))
    assert {asked.body["model"] for asked in chat.asked} == {"org/m@1"}
    assert {asked.headers["Authorization"] for asked in chat.asked} == {f"Bearer {KEY}"}
    assert [asked.path for asked in chat.asked] == ["/v1/chat/completions"] * 8
    assert chat.asked[0].body["response_format"]["type"] == "json_schema"
    assert all("The README's own words." in asked.prompt for asked in chat.asked)
    assert "demo/adding.py: Adds.; def add_numbers(a, b)" in chat.asked[0].prompt
    assert not any("hunter22" in asked.prompt for asked in chat.asked)
    stored = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert KEY.encode() not in stored


async def test_a_header_that_cannot_be_sent_is_named_without_its_value(chat: FakeChat, demo_repo: Path, tmp_path: Path) -> None:
    async with with_chat(chat, tmp_path, headers={"X-Key": f"{KEY}\n"}) as manager:
        row = await finished(manager, await start(manager, demo_repo, "m", "chat"))
        events = await (await manager.ready()).list_events(row.generation_id, 0, 500)
    assert "a header of the request is not valid" in str(row.error_message)
    assert KEY not in f"{row}{events}"


async def test_a_server_without_structured_output_is_asked_in_a_simpler_way(chat: FakeChat, demo_repo: Path, tmp_path: Path) -> None:
    chat.answer = lambda _, asked: (400, {}, {"error": {"message": "response_format is unknown"}}) if "response_format" in asked.body else None
    async with with_chat(chat, tmp_path) as manager:
        row = await finished(manager, await start(manager, demo_repo, "m", "chat"))
    assert row.status is Status.READY
    assert [asked.body.get("response_format", {}).get("type") for asked in chat.plan_calls] == ["json_schema", "json_object", None]


@pytest.mark.case("L06")
async def test_busy_answers_pause_every_run_and_none_fails(chat: FakeChat, demo_repo: Path, tmp_path: Path) -> None:
    pause: dict[str, float] = {}

    def busy(fake: FakeChat, asked: Asked) -> Any:
        if asked.planning or len(fake.page_calls) < 4:
            return None
        began = pause.setdefault("began", asked.at)
        return (429, {"Retry-After": "10"}, {"error": {"message": "slow down"}}) if asked.at - began < 10 else None

    chat.answer = busy
    async with with_chat(chat, tmp_path) as manager:
        keys = [await start(manager, demo_repo, f"m{i}", "chat") for i in range(3)]
        rows = [await finished(manager, key) for key in keys]
        events = [e for row in rows for e in await (await manager.ready()).list_events(row.generation_id, 0, 500)]
    assert [row.status for row in rows] == [Status.READY] * 3
    late = [asked.at - pause["began"] for asked in chat.asked]
    # what was on its way as the pause began may still arrive; it ends no sooner than after the last of them
    assert not [at for at in late if 2 < at < 9.9], "asked within the pause"
    assert any("all calls wait 10 s" in event["text"] for event in events)


@pytest.mark.parametrize(
    ("status", "code", "sentence"),
    [
        (401, "invalid_api_key", "Incorrect API key provided"),
        (402, None, "Insufficient credits"),
        (429, "insufficient_quota", "You exceeded your current quota, please check your plan"),
    ],
)
async def test_a_login_or_a_credit_that_is_gone_ends_the_run_at_once_with_the_providers_sentence(
    chat: FakeChat, demo_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, code: str | None, sentence: str
) -> None:
    monkeypatch.setenv("CHAT_KEY", KEY)
    chat.answer = lambda _, asked: None if asked.planning else (status, {}, {"error": {"message": sentence, "code": code}})
    async with with_chat(chat, tmp_path, key_env="CHAT_KEY", limits={"max_concurrent_pages": 1}) as manager:
        row = await finished(manager, await start(manager, demo_repo, "m", "chat"))
    assert row.status is Status.ERROR
    assert sentence in (row.error_message or "")
    # the service's sentence says where keys are bought; where this one is set, only we know
    assert ("the key of CHAT_KEY" in (row.error_message or "")) == (status == 401)
    assert len(chat.page_calls) == 1


async def test_twelve_pages_aborted_after_five_are_seven_calls_and_no_plan_later(chat: FakeChat, demo_repo: Path, tmp_path: Path) -> None:
    chat.pages = 12
    hold = {"on": True}

    def slow(fake: FakeChat, asked: Asked) -> Any:
        while hold["on"] and not asked.planning and fake.page_calls.index(asked) >= 5:
            time.sleep(0.05)

    chat.answer = slow
    async with with_chat(chat, tmp_path, limits={"max_concurrent_pages": 1}) as manager:
        key = await start(manager, demo_repo, "m", "chat")
        await until(manager, key, lambda row: row.page_count == 5)
        aborted = await manager.abort(key, "me", None)
        assert (aborted.status, aborted.page_count) == (Status.ABORTED, 5)
        hold["on"] = False
        chat.asked.clear()
        await start(manager, demo_repo, "m", "chat")
        row = await finished(manager, key)
    assert (row.status, len(chat.page_calls), len(chat.plan_calls)) == (Status.READY, 7, 0)


async def test_one_of_twelve_that_fails_is_the_only_one_asked_again(chat: FakeChat, demo_repo: Path, tmp_path: Path) -> None:
    chat.pages = 12
    chat.answer = lambda _, asked: (500, {}, {"error": {"message": "broken"}}) if not asked.planning and asked.title == "Page 7" else None
    async with with_chat(chat, tmp_path) as manager:
        key = await start(manager, demo_repo, "m", "chat")
        row = await finished(manager, key)
        assert (row.status, row.page_count, row.error_message) == (Status.ERROR, 11, "1 of 12 pages failed: page-7 (broken)")
        assert sum(asked.title == "Page 7" for asked in chat.page_calls) == 3
        chat.asked.clear()
        chat.answer = lambda *_: None
        await start(manager, demo_repo, "m", "chat")
        row = await finished(manager, key)
    assert (row.status, [asked.title for asked in chat.asked]) == (Status.READY, ["Page 7"])


async def test_a_plan_that_cannot_be_read_is_asked_for_once_more(chat: FakeChat, demo_repo: Path, tmp_path: Path) -> None:
    texts = iter(["I would need more time.", plan_text(2)])
    chat.answer = lambda _, asked: (200, {}, said(next(texts))) if asked.planning else None
    async with with_chat(chat, tmp_path) as manager:
        row = await finished(manager, await start(manager, demo_repo, "m", "chat"))
    assert (row.status, row.page_count, len(chat.plan_calls)) == (Status.READY, 2, 2)


async def test_an_answer_that_is_cut_off_is_asked_for_again_and_then_an_error(chat: FakeChat, demo_repo: Path, tmp_path: Path) -> None:
    def cut(_: FakeChat, asked: Asked) -> Any:
        answer = said("# Page")
        answer["choices"][0]["finish_reason"] = "length"
        return None if asked.planning else (200, {}, answer)

    chat.answer = cut
    chat.pages = 1
    async with with_chat(chat, tmp_path, prices={"m": (0.0, 0.0)}) as manager:
        row = await finished(manager, await start(manager, demo_repo, "m", "chat"))
        exported = tmp_path / "calls.parquet"
        await (await manager.ready()).export_parquet("ai_calls", exported)
    assert row.status is Status.ERROR
    assert "cut off" in (row.error_message or "")
    assert len(chat.page_calls) == 3
    calls = duckdb.sql(f"SELECT purpose, slug, outcome, tokens_in, cost_usd, basis FROM '{exported}' ORDER BY occurred_at").fetchall()
    assert calls == [("plan", None, "ok", 1000, 0.0, "computed")] + [("page", "page-1", "failed", 1000, 0.0, "computed")] * 3


@pytest.mark.case("L09")
async def test_a_call_that_hangs_ends_at_its_limit(chat: FakeChat, demo_repo: Path, tmp_path: Path) -> None:
    def hang(_: FakeChat, asked: Asked) -> Any:
        return None if asked.planning else time.sleep(8)

    chat.answer = hang
    chat.pages = 1
    async with with_chat(chat, tmp_path) as manager:
        row = await finished(manager, await start(manager, demo_repo, "m", "chat", ai_cli_timeout=0.5 / 60))
    assert "timed out after 0.5 s" in (row.error_message or "")


async def test_an_abort_in_mid_call_and_in_a_pause_answers_at_once(chat: FakeChat, demo_repo: Path, tmp_path: Path) -> None:
    chat.answer = lambda _, asked: (429, {"Retry-After": "600"}, {"error": {"message": "wait"}}) if asked.planning else None
    async with with_chat(chat, tmp_path) as manager:
        key = await start(manager, demo_repo, "m", "chat")
        await until(manager, key, lambda row: row.current_stage is Stage.PLANNING)
        while not chat.asked:
            await asyncio.sleep(0.02)
        async with asyncio.timeout(5):
            row = await manager.abort(key, "me", None)
    assert row.status is Status.ABORTED


_KEYS = "instructions, include, exclude, pages"
FAULTY = {
    "instruction: typo\n": f": there is no key 'instruction' (did you mean 'instructions'?), only {_KEYS}",
    "pages: [1, 2\n": " YAML: line 2, column 1: expected ',' or ']', but got '<stream end>'",
    "a: b: c\n": " YAML: line 1, column 5: mapping values are not allowed here",
    "include: x\n": ": include: Input should be a valid list",
    "- a\n": ": the file: Input should be a valid dictionary or instance of Steering",
}


async def test_the_repository_steers_and_a_faulty_file_is_a_clear_error(chat: FakeChat, demo_repo: Path, tmp_path: Path) -> None:
    commit(demo_repo, {".docsfy.yaml": "instructions: Write for bakers.\nexclude: [demo/more.py]\n"})
    async with with_chat(chat, tmp_path) as manager:
        key = await start(manager, demo_repo, "m", "chat")
        assert (await finished(manager, key)).status is Status.READY
        assert all("Write for bakers." in asked.prompt for asked in chat.asked)
        assert not any("demo/more.py" in asked.prompt for asked in chat.asked)
        pages = "pages:\n  - {slug: only, title: Only, sources: [README.md]}\n"
        commit(demo_repo, {".docsfy.yaml": pages})
        chat.asked.clear()
        await start(manager, demo_repo, "m", "chat")
        row = await finished(manager, key)
        assert (row.status, [asked.title for asked in chat.asked]) == (Status.READY, ["Only"])
        for text, says in FAULTY.items():
            commit(demo_repo, {".docsfy.yaml": text})
            await start(manager, demo_repo, "m", "chat")
            row = await finished(manager, key)
            assert row.error_message == f".docsfy.yaml is not valid{says}"


async def test_a_new_commit_asks_for_the_plan_with_what_changed(chat: FakeChat, demo_repo: Path, tmp_path: Path) -> None:
    async with with_chat(chat, tmp_path) as manager:
        key = await start(manager, demo_repo, "m", "chat")
        await finished(manager, key)
        chat.asked.clear()
        commit(demo_repo, {"README.md": "# Other words"})
        await start(manager, demo_repo, "m", "chat")
        row = await finished(manager, key)
    assert row.status is Status.READY
    assert "These files have changed since then:\n\n- README.md\n" in chat.plan_calls[0].prompt
    assert '"slug": "page-1"' in chat.plan_calls[0].prompt
    assert len(chat.page_calls) == 3
    assert git(demo_repo, "status", "--porcelain") == ""


async def test_a_run_stops_at_its_cost_limit_and_a_higher_one_finishes_it(chat: FakeChat, demo_repo: Path, tmp_path: Path) -> None:
    chat.pages = 12
    async with with_chat(chat, tmp_path, prices={"m": (0.0, 500.0)}, limits={"max_concurrent_pages": 3}) as manager:
        key = await start(manager, demo_repo, "m", "chat", max_cost_usd=0.65)  # ten cents a call
        row = await finished(manager, key)
        assert row.status is Status.ERROR
        assert 6 <= row.page_count <= 6 + 3
        assert f"${0.1 * (row.page_count + 1):.2f} spent of $0.65, {12 - row.page_count} of 12 pages left" in str(row.error_message)
        chat.asked.clear()
        await start(manager, demo_repo, "m", "chat", max_cost_usd=5)
        done = await finished(manager, key)
        assert (done.status, len(chat.asked)) == (Status.READY, 12 - row.page_count)
        with pytest.raises(BadRequest, match="is not known"):
            await start(manager, demo_repo, "pages=1", max_cost_usd=1)


async def test_a_limited_run_stops_when_nobody_tells_what_a_call_took(chat: FakeChat, demo_repo: Path, tmp_path: Path) -> None:
    def answer(fake: FakeChat, asked: Asked) -> Any:
        untold = {"choices": [{"message": {"role": "assistant", "content": "# A page\n\nText."}, "finish_reason": "stop"}]}
        return None if asked.planning or asked.title in ("Page 1", "Page 2") else (200, {}, untold)

    chat.pages, chat.answer = 6, answer
    async with with_chat(chat, tmp_path, prices={"m": (1.0, 1.0)}, limits={"max_concurrent_pages": 1}) as manager:
        key = await start(manager, demo_repo, "m", "chat", max_cost_usd=5)
        row = await finished(manager, key)
        assert (row.status, row.page_count, len(chat.page_calls)) == (Status.ERROR, 3, 3)
        assert "max_cost_usd cannot be kept" in str(row.error_message)
        assert "3 of 6 pages left" in str(row.error_message)
        await start(manager, demo_repo, "m", "chat")
        assert (await finished(manager, key)).status is Status.READY
        assert len(chat.page_calls) == 6


@pytest.mark.parametrize(
    ("header", "tries", "seconds"), [("7", 1, 7), ("0.5", 1, 0.5), (None, 1, 1), (None, 4, 8), ("soon", 2, 2), (None, 20, 60), ("-3", 1, 0), ("nan", 2, 2), ("inf", 1, 1)]
)
def test_retry_after_is_read_or_grows(header: str | None, tries: int, seconds: float) -> None:
    assert retry_after(header, tries) == seconds


def test_retry_after_may_be_a_date() -> None:
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT", 1) == 0
    assert retry_after("Wed, 21 Oct 2099 07:28:00 GMT", 1) > 1e6
