"""What models and tools print, and what it is taken for."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docsfy_jupyter.errors import PlanInvalid, ProviderFailed
from docsfy_jupyter.models import Plan
from docsfy_jupyter.plans import settle_plan
from docsfy_jupyter.providers.ai.answers import failure_of, page_of, plan_of

P = '{"project_name":"d","navigation":[{"group":"g","pages":[{"slug":"intro","title":"Intro"}]}]}'
TAGLINE = P.replace('"d",', '"d","tagline":"run ```pip install d``` now",')
EMPTY = '{"navigation": []}'
EXAMPLE = '{"project_name":"x","navigation":[{"group":"x","pages":[{"slug":"example","title":"E"}]}]}'


def envelope(text: str) -> str:
    return json.dumps({"type": "result", "is_error": False, "result": text})


GOOD = {
    "bare": P,
    "fence": f"```json\n{P}\n```",
    "prose around": f"Here is the plan:\n{P}\nHope it helps {{ok}}",
    "byte order mark": f"\ufeff{P}",
    "in a list": f"[{P}]",
    "four backticks": f"````json\n{P}\n````",
    "backticks in a string": f"```json\n{TAGLINE}\n```",
    "braces in the preamble": f"Plan for {{project}}:\n{P}",
    "thought with braces": f"<think>maybe {{x}}</think>\n{P}",
    "an object of thoughts first": f'{{"thinking":"a"}}\n{P}',
    "an empty example first": f"```json\n{EMPTY}\n```\nand now\n```json\n{P}\n```",
    "envelope with a fence": envelope(f"```json\n{P}\n```"),
    "trailing comma": P.replace("}]}]}", "},]},]}"),
    "line comment": P.replace('"navigation"', '// the pages\n"navigation"'),
    "block comment": P.replace('"navigation"', '/* the pages, { all } of them */ "navigation"'),
    "url in a string": P.replace('"d",', '"d","tagline":"see https://example.org // not a comment",'),
    "envelope in an envelope": envelope(envelope(P)),
    "gemini's envelope": json.dumps({"response": P, "stats": {"models": {}}}),
    "a chat message": json.dumps({"message": {"role": "assistant", "content": P}}),
    "content blocks": json.dumps({"content": [{"type": "text", "text": P}]}),
    "a wrapper": f'{{"plan": {P}}}',
    "structured output": json.dumps({"result": "", "structured_output": json.loads(P)}),
    "a draft in a thought": f"<thinking>{EXAMPLE}</thinking>{P}",
    "an unclosed thought before nothing else": f"<think>I would say {P}",
    "an example in prose first": f"Like {EXAMPLE} but real:\n{P}",
    "tilde fence": f"~~~json\n{P}\n~~~",
    "indented fence": f"  ```json\n{P}\n  ```",
    "fence without a language": f"```\n{P}\n```",
    "fence in capitals": f"```JSON\n{P}\n```",
    "windows lines": f"```json\r\n{P}\r\n```".replace("\r\n", "\n"),
    "pretty": json.dumps(json.loads(P), indent=4),
    "escaped characters": P.replace("Intro", "\\u0049ntro"),
    "a code fence of another kind first": f"```python\nx = {{}}\n```\n```json\n{P}\n```",
    "json in a fence that is no plan": f'```json\n{{"files": 3}}\n```\n{P}',
    "two objects on one line": f'{{"status":"ok"}}{P}',
    "a log line first": f"[info] reading 12 files\n{P}",
    "a page as a mere title": P.replace('{"slug":"intro","title":"Intro"}', '"intro"'),
    "a page without a slug": P.replace('"slug":"intro",', ""),
    "a number as a title": P.replace('"Intro"', "7"),
    "nulls": P.replace('"title":"Intro"', '"title":"Intro","description":null,"sources":null'),
    "unknown fields": P.replace('"title"', '"icon":"x","title"'),
    "an empty group beside it": P.replace('"navigation":[', '"navigation":[{"group":"none","pages":[]},'),
    "a page that is a list": P.replace('"pages":[', '"pages":[[],'),
}  # fmt: skip
BAD = {
    "python's quotes": P.replace('"', "'"),
    "cut off": P[:-20],
    "cut off after a page": P.replace('"Intro"}]}]}', '"Intro"},{"slug":"b"'),
    "empty": "",
    "only spaces": " \n ",
    "prose": "I could not find a repository here.",
    "no pages": EMPTY,
    "groups without pages": '{"project_name":"d","navigation":[{"group":"g","pages":[]}]}',
    "a number": "42",
    "null": "null",
    "navigation is a text": '{"navigation":"intro"}',
    "navigation is an object": '{"navigation":{"g":["intro"]}}',
    "yaml": "project_name: d\nnavigation:\n  - group: g\n",
    "an error envelope": json.dumps({"type": "result", "is_error": True, "result": "API Error: 400 bad"}),
    "deep nesting": '{"a":' * 100_000,
    "deep lists": "[" * 200_000,
    "many braces": "{" * 300_000,
    "many open strings": '{"a' * 100_000,
    "cut off among escaped quotes": '{"navigation":[{"group":"' + 'say \\"hi\\" ' * 3000,
    "many fences that never close": "```x\n" * 20_000,
    "many comments that never close": "{ " + "/* " * 50_000,
    "too long": " " * 6_000_000,
    "only an unclosed fence of junk": "```json\nnavigation",
}


@pytest.mark.case("L01")
@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD.keys())
def test_a_plan_is_found_in_whatever_stands_around_it(text: str) -> None:
    plan, _ = settle_plan(plan_of(text), "demo")
    assert [page.slug for page in plan.pages()] in (["intro"], ["page-7"], ["7"])


@pytest.mark.case("L01")
@pytest.mark.case("L03")
@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_what_is_no_plan_is_a_clear_error_at_once(text: str) -> None:
    began = time.monotonic()
    with pytest.raises(PlanInvalid) as caught:
        plan_of(text)
    assert time.monotonic() - began < 5  # of a limit of one second, on a machine that is busy with other things
    assert caught.value.message
    assert caught.value.details["begins"] == text[:200]


ATOMS = st.sampled_from(["{", "}", "[", "]", '"', ",", ":", "```", "\n", "navigation", '"navigation":', "<think>", "</think>", P, "\\", "//", "\ud800"])


@settings(max_examples=200, deadline=None)
@given(st.lists(ATOMS | st.text(max_size=8), max_size=60).map("".join))
def test_no_text_crashes_the_reader_or_yields_a_plan_that_does_not_settle(text: str) -> None:
    try:
        plan = plan_of(text)
    except PlanInvalid:
        return
    settled, _ = settle_plan(plan, "demo")
    assert settled.pages()
    assert Plan.model_validate_json(settled.to_json()) == settled


PAGES = {
    "plain": ("# A\n\nText.", "# A\n\nText.\n"),
    "a fence around it": ("```markdown\n# A\n\n```python\nx\n```\n```", "# A\n\n```python\nx\n```\n"),
    "a bare fence around it": ("```\n# A\n\nText.\n```", "# A\n\nText.\n"),
    "a preamble": ("Here is the page:\n\n# A\n\nText.", "# A\n\nText.\n"),
    "a longer preamble": ("I've read the code.\nIt is good.\n\n# A\n\nText.", "# A\n\nText.\n"),
    "a thought": ("<think># No</think>\n# A\n", "# A\n"),
    "an envelope": (json.dumps({"result": "# A\n\nText."}), "# A\n\nText.\n"),
    "a page that is one code block": ("```\nls\n```", "```\nls\n```\n"),
    "a page about errors": ("# Errors\n\nError: invalid API key means …", "# Errors\n\nError: invalid API key means …\n"),
    "a page that begins with text": ("This project bakes bread." * 30, "This project bakes bread." * 30 + "\n"),
    "nested fences": ("````md\n# A\n\n```sh\nls\n```\n````", "# A\n\n```sh\nls\n```\n"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "page"), PAGES.values(), ids=PAGES.keys())
def test_a_page_is_taken_out_of_its_wrappings(text: str, page: str) -> None:
    assert page_of(text) == page


NO_PAGES = {
    "empty": ("", True, False),
    "only a thought": ("<think>hm</think>", True, False),
    "no key": ("Invalid API key · Please run /login", False, True),
    "limit": ("You've hit your limit · resets 3:20pm", False, True),
    "rate": ("API Error: 429 rate limit exceeded", True, False),
    "overloaded": ("API Error: Overloaded", True, False),
    "a traceback": ("Traceback (most recent call last):\n  File", False, False),
    "a cut code block": ("# A\n\n```python\nx = 1\n", True, False),
}


@pytest.mark.case("L06")
@pytest.mark.parametrize(("text", "transient", "fatal"), NO_PAGES.values(), ids=NO_PAGES.keys())
def test_an_error_of_a_tool_is_never_a_page(text: str, transient: bool, fatal: bool) -> None:
    with pytest.raises(ProviderFailed) as caught:
        page_of(text)
    assert (caught.value.transient, caught.value.fatal) == (transient, fatal)


@pytest.mark.parametrize(
    ("sentence", "status", "transient", "fatal"),
    [
        ("bad key", 401, False, True),
        ("no credit", 402, False, True),
        ("forbidden", 403, False, True),
        ("slow down", 429, True, False),
        ("your billing limit; slow down", 429, True, False),
        ("overloaded", 529, True, False),
        ("broken", 500, True, False),
        ("model not found", 404, False, False),
        ("", 400, False, False),
        ("connection reset by peer", None, True, False),
    ],
)
def test_what_a_provider_says_decides_what_follows(sentence: str, status: int | None, transient: bool, fatal: bool) -> None:
    error = failure_of(sentence, status)
    assert (error.transient, error.fatal) == (transient, fatal)
    assert error.message == (sentence or f"HTTP {status}")
