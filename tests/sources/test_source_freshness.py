"""Answers about what branches hold now, kept for a time and shared by requests that overlap."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from panel_states import variant

from docsfy_jupyter.generation.process import Processes
from docsfy_jupyter.sources.freshness import Freshness
from docsfy_jupyter.sources.rules import Source, SourcePolicy


class Hosts:
    """Git hosts that answer once they are let, and the clock that answers age by."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked: list[str] = []
        self.slow = asyncio.Event()
        self.reached = asyncio.Event()

    async def head(self, source: Source, *_: Any) -> str:
        self.asked.append(source.name)
        if source.name == "slow":
            self.reached.set()
            await self.slow.wait()
        return f"commit of {source.name}"


@pytest.fixture
async def hosts(monkeypatch: pytest.MonkeyPatch) -> Hosts:
    found = Hosts()
    monkeypatch.setattr("docsfy_jupyter.sources.freshness.remote_head", found.head)
    monkeypatch.setattr("docsfy_jupyter.sources.freshness.time", SimpleNamespace(monotonic=lambda: found.now))
    return found


def of(name: str) -> Any:
    return variant(name=name, repo_url=f"https://example.invalid/{name}.git")


async def test_an_answer_that_grows_too_old_while_a_slow_host_is_awaited_is_still_given(hosts: Hosts) -> None:
    freshness = Freshness(SourcePolicy(), Processes())
    await freshness.of([of("ageing")])
    hosts.now = 599.0
    first = asyncio.create_task(freshness.of([of("ageing"), of("slow")]))
    await hosts.reached.wait()
    hosts.now = 601.0
    await freshness.of([of("other")])  # forgets what is too old
    hosts.slow.set()
    assert [one["current"] for one in await first] == ["commit of ageing", "commit of slow"]
    assert hosts.asked == ["ageing", "slow", "other"]
    await freshness.of([of("ageing"), of("slow")])
    assert hosts.asked == ["ageing", "slow", "other", "ageing"]
    await freshness.of([of("ageing")], anew=True)
    assert hosts.asked[-2:] == ["ageing", "ageing"]
