"""What calls cost where their provider does not tell: the package's table, the user's file, tokens times price."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from agents import Agents, ran, recorded_calls
from fake_chat_api import fake_chat
from recording import finished, running, start
from servers import Server

from docsfy_jupyter.errors import BadRequest
from docsfy_jupyter.models import Status
from docsfy_jupyter.providers.ai.gemini import GeminiProvider
from docsfy_jupyter.providers.ai.openai import OpenAIProvider
from docsfy_jupyter.providers.ai.openai_server import OpenAIServer
from docsfy_jupyter.providers.base import ProviderOptions, Usage
from docsfy_jupyter.providers.prices import OWN_TABLE, Above, Price, Prices, PricesFaulty, load_prices, read_prices

FLASH = Price(0.30, 2.50, 0.03)


def written(folder: Path, text: str) -> Path:
    path = folder / "prices.toml"
    path.write_text(text, "utf-8")
    return path


def test_every_price_of_the_package_is_dearer_to_write_than_to_read_and_cheapest_cached() -> None:
    table = read_prices(OWN_TABLE)
    assert set(table) == {"openai", "gemini", "claude"}
    for price in (price for models in table.values() for price in models.values()):
        for one in (price, *([price.above.price] if price.above else [])):
            assert 0 < (one.cached or one.input) <= one.input < one.output <= 100
        assert price.above is None or price.above.price.input > price.input


@pytest.mark.parametrize(
    ("service", "model", "price"),
    [
        ("openai", "gpt-4o", Price(2.5, 10, 1.25)),
        ("openai", "gpt-4o-2024-08-06", Price(2.5, 10, 1.25)),
        ("openai", "gpt-4o-2024-05-13", Price(5, 15)),
        ("gemini", "gemini-2.5-flash", FLASH),
        ("claude", "claude-haiku-4-5-20251001", Price(1, 5, 0.1)),
        ("openai", "gpt-4o-audio-preview", None),
        ("claude", "sonnet", None),
        ("claude", "claude-opus-4-6[1m]", None),
        (None, "gpt-4o", None),
        ("somebody", "gpt-4o", None),
    ],
)
def test_the_package_prices_models_and_their_snapshots_and_guesses_nothing(
    service: str | None, model: str, price: Price | None
) -> None:
    assert load_prices(None).find("any", model, service) == price


def test_a_users_file_wins_model_by_model_the_most_particular_name_first(tmp_path: Path) -> None:
    text = """
date = "2026-11-01"
[openai."gpt-4o"]
input = 1
output = 2.5
[openai."gpt-*"]
input = 9
output = 9
[ollama."*"]
input = 0
output = 0
"""
    prices = load_prices(written(tmp_path, text))
    assert prices.fault is None
    assert prices.find("openai", "gpt-4o", "openai") == Price(1, 2.5)
    assert prices.find("openai", "gpt-4o-mini", "openai") == Price(9, 9)
    assert prices.find("openai", "o3", "openai") is None
    assert prices.find("gemini", "gemini-2.5-flash", "gemini") == FLASH
    assert prices.find("ollama", "llama3:8b", None) == Price(0, 0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[openai\n", "is not TOML: .*line 1"),
        ('a = 1\nb = [\n"x"\nc = 2\n', "is not TOML: .*line 4"),
        ("openai = 3", "openai stands alone"),
        ("[gemini.gemini-2.5-pro]\ninput = 1\noutput = 2", r'\[gemini\."gemini-2"\] 5-pro is not known'),
        ('[openai."m"]\ninput = "1"\noutput = 2', r"""\[openai\."m"\] input is not a number of US dollars: '1'"""),
        ('[openai."m"]\ninput = 1\noutput = -2', r'\[openai\."m"\] output is not a number'),
        ('[openai."m"]\ninput = 1\noutput = inf', r'\[openai\."m"\] output is not a number'),
        ('[openai."m"]\ninput = true\noutput = 2', r'\[openai\."m"\] input is not a number'),
        ('[openai."m"]\ninput = 1', r'\[openai\."m"\] output is missing'),
        ("[openai]\nm = 1", r'\[openai\."m"\] is not a table'),
        ('[openai."m"]\ninput = 1\noutput = 2\nabove = 3', r'\[openai\."m"\] above needs tokens'),
        ('[openai."m"]\ninput = 1\noutput = 2\nabove = {tokens = 0.5, input = 2, output = 3}', "above needs tokens, a whole number"),
        ('[openai."m"]\ninput = 1\noutput = 2\nabove = {tokens = 5, input = 2}', r'\[openai\."m"\] above output is missing'),
    ],
)
def test_a_faulty_file_is_told_with_its_line_or_key(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(PricesFaulty, match=says):
        read_prices(written(tmp_path, text))


def test_with_a_faulty_or_missing_file_no_price_is_known_since_others_were_meant(tmp_path: Path) -> None:
    for path in (written(tmp_path, "x = ["), tmp_path / "none.toml", tmp_path):
        prices = load_prices(path)
        assert str(path) in (prices.fault or "")
        assert prices.find("openai", "gpt-4o", "openai") is None
    (tmp_path / "latin.toml").write_bytes(b"# \xe9\n")
    assert "byte 2" in (load_prices(tmp_path / "latin.toml").fault or "")


@pytest.mark.parametrize(
    ("price", "tokens", "cost"),
    [
        (Price(2, 10, 0.5), (1_000_000, 100_000, 400_000), 0.6 * 2 + 0.4 * 0.5 + 1.0),
        (Price(2, 10), (1_000_000, 100_000, 400_000), 3.0),
        (Price(2, 10, 0.5), (1000, 0, 5000), 0.0005),
        (Price(2, 10, 0.5), (1_000_000, 0, None), 2.0),
        (Price(2, 10), (None, 5, None), None),
        (Price(2, 10), (5, None, 5), None),
        (Price(0, 0), (None, None, None), 0.0),
    ],
)
def test_a_cost_is_tokens_times_price_and_unknown_without_tokens(
    price: Price, tokens: tuple[int | None, int | None, int | None], cost: float | None
) -> None:
    assert price.of(*tokens) == (None if cost is None else pytest.approx(cost))


def test_long_prompts_have_a_price_of_their_own_and_unknown_ones_are_taken_for_short(tmp_path: Path) -> None:
    text = """
[chat.m]
input = 1
output = 2
cached = 0.5
above = {tokens = 1000, input = 10, output = 20, above = {tokens = 5000, input = 100, output = 200}}
"""
    price = load_prices(written(tmp_path, text)).find("chat", "m", None)
    assert price == Price(1, 2, 0.5, Above(1000, Price(10, 20, above=Above(5000, Price(100, 200)))))
    for tokens, prompts, rate in ((1000, 1, 1), (1001, 1, 10), (1001, 2, 1), (5001, 1, 100), (10_002, 2, 100), (9000, None, 1)):
        assert price.of(tokens, 0, 0, prompts) == pytest.approx(tokens * rate / 1e6)
    assert price.of(2000, 100, 1000, 1) == pytest.approx((2000 * 10 + 100 * 20) / 1e6)  # nothing off for cached ones above
    assert price.of(None, 5, None, 1) is None
    assert not Price(0, 0, above=Above(10, Price(1, 1))).zero
    provider = OpenAIProvider("chat", OpenAIServer(base_url="http://127.0.0.1/v1"))
    provider.options = ProviderOptions(prices=Prices(users={"chat": {"m": price}}))
    assert provider.priced("m", Usage(tokens_in=2000, tokens_out=0)).cost_usd == pytest.approx(0.02)  # one call is one prompt
    twice = Usage(tokens_in=800, tokens_out=0, prompts=1).plus(Usage(tokens_in=800, tokens_out=0, prompts=1))
    assert provider.priced("m", twice).cost_usd == pytest.approx(0.0016)


def test_an_openai_server_is_a_customer_of_the_package_table_only_where_its_host_is_known() -> None:
    def price(url: str, **options: object) -> Price | None:
        server = OpenAIServer.model_validate({"base_url": url, **options})
        provider = OpenAIProvider("openai", server)
        provider.options = ProviderOptions(prices=load_prices(None))
        assert provider.knows_cost("gpt-4o") is (provider.price("gpt-4o") is not None)
        return provider.price("gpt-4o")

    assert price("https://api.openai.com/v1") == Price(2.5, 10, 1.25)
    assert price("http://127.0.0.1:11434/v1") is None
    assert price("https://proxy.example/v1") is None
    assert price("https://api.openai.com/v1", prices={"gpt-4o": (1, 2)}) == Price(1, 2)
    assert price("http://localhost:11434/v1", prices={"gpt-4o": (0, 0)}) == Price(0, 0)


async def test_what_runs_on_this_machine_has_an_unknown_cost_until_its_price_is_said(demo_repo: Path, tmp_path: Path) -> None:
    free = Prices(users={"chat": {"*": Price(0, 0)}})
    for prices, cost, basis in ((Prices(), None, "unknown"), (free, 0.0, "computed")):
        folder = tmp_path / basis
        with fake_chat() as chat:
            chat.pages = 1
            async with running(folder, prices) as manager:
                url = chat.url
                manager.providers._makers["chat"] = lambda url=url: OpenAIProvider("chat", OpenAIServer(base_url=url))
                if cost is None:
                    with pytest.raises(BadRequest, match="prices_file"):
                        await start(manager, demo_repo, "m", "chat", max_cost_usd=1)
                    row = await finished(manager, await start(manager, demo_repo, "m", "chat"))
                else:
                    row = await finished(manager, await start(manager, demo_repo, "m", "chat", max_cost_usd=1))
                calls = await recorded_calls(manager, row)
        assert (row.status, row.run_cost_usd) == (Status.READY, cost)
        assert {(call["cost_usd"], call["basis"], call["tokens_in"]) for call in calls} == {(cost, basis, 1000)}


@pytest.mark.parametrize(("key", "basis"), [("GEMINI_API_KEY", "computed"), ("HOME", "notional")])
async def test_tokens_of_an_agent_times_price_are_its_cost_notional_with_a_subscription(
    key: str, basis: str, agents: Agents, demo_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(key, "/nowhere")
    async with running(tmp_path, Prices(users={"gemini": {"m": Price(2.0, 10.0, 1.0)}})) as manager:
        row = await ran(manager, demo_repo, "gemini", max_cost_usd=5)
        calls = await recorded_calls(manager, row)
    cost = (50 * 2.0 + 50 * 1.0 + 23 * 10.0) / 1e6  # the fake tells 100 read, 50 of them cached, and 23 written
    assert row.run_cost_usd == pytest.approx(4 * cost)
    assert {(call["basis"], round(call["cost_usd"], 9)) for call in calls} == {(basis, round(cost, 9))}


def test_each_model_of_one_gemini_call_has_its_own_price_and_one_without_makes_it_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gemini_usage(stats: object, models: dict[str, Price]) -> Usage:
        provider = GeminiProvider()
        provider.options = ProviderOptions(prices=Prices(users={"gemini": models}))
        env = {"GEMINI_API_KEY": "k"}
        monkeypatch.setenv(*next(iter(env.items())))
        return provider.read({"response": "x", "stats": stats}, env).usage

    from_stats = {
        "models": {
            "big": {"tokens": {"prompt": 1_000_000, "candidates": 0, "thoughts": 0, "cached": 0}},
            "small": {"tokens": {"prompt": 1_000_000, "candidates": 1_000_000, "cached": None}},
        }
    }
    both = {"big": Price(4, 8), "small": Price(1, 2)}
    assert gemini_usage(from_stats, both) == Usage(7.0, "computed", 2_000_000, 1_000_000, 0)
    unpriced = gemini_usage(from_stats, {"big": Price(4, 8)})
    assert unpriced == Usage(None, "unknown", 2_000_000, 1_000_000, 0, final=True)
    priced = GeminiProvider()
    priced.options = ProviderOptions(prices=Prices(users={"gemini": {"big": Price(4, 8)}}))
    assert priced.priced("big", unpriced) == unpriced  # the run's own model has a price, the other one has not
    alone = gemini_usage({"models": {"big-002": {"tokens": {"prompt": 1_000_000, "candidates": 0}}}}, {"big": Price(4, 8)})
    assert (alone.cost_usd, priced.priced("big", alone).cost_usd) == (None, 4.0)
    # a million tokens of four prompts of which one failed are three long ones
    long = {"models": {"big": {"api": {"totalRequests": 4, "totalErrors": 1}, "tokens": {"prompt": 900_000, "candidates": 0}}}}
    tiered = {"big": Price(4, 8, above=Above(299_999, Price(10, 20)))}
    assert gemini_usage(long, tiered).cost_usd == pytest.approx(9.0)
    assert gemini_usage(long, {"big": Price(4, 8, above=Above(300_000, Price(10, 20)))}).cost_usd == pytest.approx(3.6)
    assert gemini_usage({"models": {"big": 3}}, both) == gemini_usage(None, both) == Usage()


def test_a_server_starts_with_a_faulty_file_and_says_so(
    start_server: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    path = written(tmp_path, '[openai."gpt-4o"]\ninput = "much"\noutput = 2\n')
    server = start_server(f"--DocsfyApp.prices_file={path}", "--DocsfyApp.max_cost_usd_per_day=5")
    assert server.call("GET", "health").json() == {"status": "ok"}
    log = server.log.read_text()
    assert f"DocsfyApp.prices_file: {path}: [openai.\"gpt-4o\"] input is not a number of US dollars: 'much'." in log
    body = {"repo_url": "https://h.example/r", "branch": "b", "ai_provider": "openai", "ai_model": "gpt-4o", "max_cost_usd": 1}
    refused = server.call("POST", "api/generate", json=body)
    assert refused.status_code == 400
    assert "max_cost_usd cannot be kept" in refused.json()["detail"]
    assert "is not a number of US dollars" in refused.json()["detail"]
    del body["max_cost_usd"]
    assert "max_cost_usd_per_day cannot be kept" in server.call("POST", "api/generate", json=body).json()["detail"]
