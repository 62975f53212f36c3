"""`gemini` where there is a key and no program: the same provider asks Google's OpenAI-compatible endpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_chat_api import FakeChat, fake_chat
from recording import finished, running, start

from docsfy_jupyter.errors import ProviderUnavailable
from docsfy_jupyter.generation.process import child_environment
from docsfy_jupyter.models import Status
from docsfy_jupyter.providers.ai.gemini import GeminiProvider
from docsfy_jupyter.providers.prices import load_prices


@pytest.fixture
def no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH that has git and no gemini, and no key of the developer's."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for place in child_environment()["PATH"].split(":"):
        for program in ("git", "sh", "env"):
            if (Path(place) / program).exists() and not (folder / program).exists():
                (folder / program).symlink_to(Path(place) / program)
    monkeypatch.setenv("PATH", str(folder))
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return folder


def test_without_program_and_key_it_is_unavailable_and_names_both_ways(no_program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ProviderUnavailable, match=r"npm install -g @google/gemini-cli.*GEMINI_API_KEY"):
        GeminiProvider().check("gemini-2.5-pro")
    monkeypatch.setenv("GOOGLE_API_KEY", "g-key")
    GeminiProvider().check("gemini-2.5-pro")
    (no_program / "gemini").write_text("a program that may not be executed")
    with pytest.raises(ProviderUnavailable, match="may not be executed"):
        GeminiProvider().check("gemini-2.5-pro")


async def test_a_key_alone_writes_documentation_at_a_known_cost(
    no_program: Path, demo_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_chat() as chat:
        assert isinstance(chat, FakeChat)
        monkeypatch.setenv("GEMINI_API_KEY", "g-key")
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", chat.url.removesuffix("/v1") + "/")
        async with running(tmp_path, prices=load_prices(None)) as manager:
            key = await start(manager, demo_repo, "gemini-2.5-pro", "gemini", max_cost_usd=10)
            row = await finished(manager, key)
    assert (row.status, row.ai_provider, row.page_count) == (Status.READY, "gemini", 3), row.error_message
    assert {asked.path for asked in chat.asked} == {"/v1beta/openai/chat/completions"}
    assert {asked.headers["Authorization"] for asked in chat.asked} == {"Bearer g-key"}
    assert {asked.body["model"] for asked in chat.asked} == {"gemini-2.5-pro"}
    assert "A demonstration of adding numbers." in chat.page_calls[0].prompt
    # four calls of 1,000 tokens in at $1.25 a million and 200 out at $10
    assert row.run_cost_usd == pytest.approx(4 * (1000 * 1.25 + 200 * 10) / 1e6)
