"""A new commit: which pages are written again, by what changed and by what the planner answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from fake_chat_api import Asked, FakeChat, fake_chat, said
from git_server import git_server
from recording import finished, running
from servers import commit, git

from docsfy_jupyter.errors import PlanInvalid
from docsfy_jupyter.generation.manager import Manager
from docsfy_jupyter.models import Plan, Status, VariantKey, parse_plan
from docsfy_jupyter.providers.ai.incremental import updated_plan
from docsfy_jupyter.providers.ai.openai import OpenAIProvider
from docsfy_jupyter.providers.ai.openai_server import OpenAIServer
from docsfy_jupyter.requests import GenerateRequest

ANSWERS: list[
    tuple[str, str, int, str]
] = [  # what the planner says of a commit that changes b.md; calls for it; pages of the plan
    ('["all"]', "abc", 1, "abc"),
    ('["page-c"]', "bc", 1, "abc"),
    ("[]", "b", 1, "abc"),
    ("the whole plan", "b", 1, "abc"),  # page-c was written again by name: that must not be forgotten
    ("I am sorry, but I cannot do that.", "b", 2, "abc"),
    ('["page-of-nobody"]', "b", 2, "abc"),
    ('Only this one:\n```json\n["page-a.md", "page-of-nobody"]\n```\n', "ab", 1, "abc"),
    ("a plan without a, with d", "bd", 1, "bcd"),
    ("", "b", 2, "bcd"),
]


def plan(letters: str) -> str:
    pages = [{"slug": f"page-{x}", "title": f"Page {x}", "description": "", "sources": [f"{x}.md"]} for x in letters]
    return json.dumps({"project_name": "demo", "tagline": "", "navigation": [{"group": "All", "pages": pages}]})


class Planner:
    """Answers plans as a test says, and pages with the number of the page call."""

    def __init__(self) -> None:
        self.says = plan("abc")
        self.written = 0

    def __call__(self, fake: FakeChat, asked: Asked) -> tuple[int, dict[str, str], Any]:
        if asked.planning:
            return 200, {}, said(self.says)
        self.written += 1
        return 200, {}, said(f"# {asked.title}\n\nText number {self.written}.")


@pytest.fixture
def chat() -> Iterator[FakeChat]:
    with fake_chat() as fake:
        yield fake


def texts(manager: Manager, key: VariantKey) -> dict[str, str]:
    """Return what the site says: the slug's letter → the number of its text."""
    site = manager.folder(key).sites.current()
    assert site is not None
    pages = {path.stem.removeprefix("page-"): path.read_text("utf-8") for path in site.glob("page-?.md")}
    return {letter: text.split("number ")[1].split(".")[0] for letter, text in pages.items()}


@pytest.mark.parametrize("remote", [False, True], ids=["a folder", "a shallow clone over HTTP"])
async def test_after_a_commit_the_right_pages_are_written_whatever_the_planner_answers(
    chat: FakeChat, demo_repo: Path, tmp_path: Path, remote: bool
) -> None:
    planner = Planner()
    chat.answer = planner
    commit(demo_repo, {f"{x}.md": f"Of {x}." for x in "abcd"})
    served = tmp_path / "served"
    git(tmp_path, "clone", "-q", "--bare", str(demo_repo), str(served / "demo.git"))
    async with AsyncExitStack() as stack:
        address = stack.enter_context(git_server(served))
        manager = await stack.enter_async_context(running(tmp_path))
        manager.providers._makers["chat"] = lambda: OpenAIProvider("chat", OpenAIServer(base_url=chat.url))
        where = {"repo_url": f"http://{address}/demo.git"} if remote else {"repo_path": str(demo_repo)}
        request = GenerateRequest.model_validate({**where, "ai_provider": "chat", "ai_model": "m"})

        async def run() -> tuple[list[str], int, dict[str, str]]:
            git(demo_repo, "push", "-q", str(served / "demo.git"), "main")
            chat.asked.clear()
            key = (await manager.generate(request, "me")).key
            row = await finished(manager, key)
            assert row.status is Status.READY, row.error_message
            return sorted(asked.title[-1] for asked in chat.page_calls), len(chat.plan_calls), texts(manager, key)

        _, plans, before = await run()
        assert (plans, set(before)) == (1, {"a", "b", "c"})
        for number, (answer, written, calls, pages) in enumerate(ANSWERS[:5] if remote else ANSWERS):
            planner.says = {"the whole plan": plan("abc"), "a plan without a, with d": plan("bcd")}.get(answer, answer)
            commit(demo_repo, {"b.md": f"Of b, time {number}."})
            asked, plans, now = await run()
            assert (asked, plans, set(now)) == (sorted(written), calls, set(pages)), answer
            assert {x for x in pages if now[x] != before.get(x)} == set(written), answer
            assert "These files have changed since then:\n\n- b.md\n" in chat.plan_calls[0].prompt, answer
            before = now
        planner.says = "[]"
        commit(demo_repo, {"other.txt": "of no page"})
        assert await run() == ([], 1, before)
        assert await run() == ([], 0, before)  # nothing changed at all


LISTS = [
    ('["page-a"]', "a"),
    (' ["page-a", "page-b"]\n', "ab"),
    ('["ALL"]', "abc"),
    ('["all", "page-a"]', "abc"),
    ("[]", ""),
    ("```\n[]\n```", ""),
    ('<think>["all"]</think>\n["page-b"]', "b"),
    ('{"pages": ["page-c"]}', "c"),
    ('{"result": "[\\"page-c\\"]"}', "c"),
    ('First I thought of ["page-a"], but it is ["page-b"].', "b"),
    ('["page-a", "page-zzz"]', "a"),
]


@pytest.mark.parametrize(("text", "again"), LISTS)
def test_a_list_of_slugs_marks_pages_to_be_written_again(text: str, again: str) -> None:
    before = known()
    found = updated_plan(text, before, "commit2")
    assert {page.slug[-1] for page in found.pages() if page.fingerprint == "commit2"} == set(again)
    assert [page.slug for page in found.pages()] == [page.slug for page in before.pages()]
    assert [page.fingerprint for page in updated_plan("[]", found, "commit3").pages()] == [
        page.fingerprint for page in found.pages()
    ]


@pytest.mark.parametrize(
    "text", ["", "no", '["page-zzz"]', "[1, 2]", "{}", "[" * 5000, '["a" ' * 50_000, '{"navigation": []}', "null"]
)
def test_what_is_neither_list_nor_plan_is_said_at_once(text: str) -> None:
    with pytest.raises(PlanInvalid):
        updated_plan(text, known(), "commit2")


def known() -> Plan:
    found = parse_plan(plan("abc"))
    assert found is not None
    return found
