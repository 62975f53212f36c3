"""Pure: from what a model wrote to a plan or a page, or to the sentence that says why it is neither.

Models wrap their answers in fences, envelopes, thoughts and politeness; tools print their errors where an answer should be.
Whatever comes, reading it is linear in its length, and nothing that is not an answer is taken for one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from docsfy_jupyter.errors import PlanInvalid, ProviderFailed
from docsfy_jupyter.models import Plan, safe_text

MAX_TEXT = 5_000_000  # characters; a plan of 1,000 pages has 300,000
_MAX_SCANNED = 20_000_000  # characters read while looking for objects, so that hostile nesting costs no time
_MAX_DEPTH = 4  # envelopes in envelopes
_CARRIERS = ("result", "response", "output", "content", "text", "message", "plan", "markdown", "data", "structured_output")

_THOUGHT = re.compile(r"<(think|thinking|reasoning)>.*?(?:</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_OBJECT = re.compile(r'\{\s*["}/]')
# what is never closed reaches to the end, so that no place is read twice
_LOOSE = re.compile(r'"(?:\\.|[^"\\])*(?:"|\\?\Z)|//[^\n]*|/\*.*?(?:\*/|\Z)|,(?=\s{0,1000}[}\]])', re.DOTALL)


def plan_of(text: str) -> Plan:
    """Read the plan out of a model's answer.

    Parameters
    ----------
    text : str
        The whole answer.

    Returns
    -------
    Plan
        Not yet settled. Where the answer holds several, the last that has a page: drafts and examples come before.

    Raises
    ------
    PlanInvalid
        There is none, or it has no page; ``details['begins']`` is how the answer begins.
    """
    begins = safe_text(text[:200])
    if len(text) > MAX_TEXT:
        raise PlanInvalid(f"The plan is too long to be one: {len(text):,} characters.", begins=begins)
    plain = text.lstrip("\ufeff").strip()
    found = _plans(_THOUGHT.sub("", plain), 0) or _plans(plain, 0)
    full = [plan for plan in found if plan["navigation"]]
    if not found:
        why = "The plan is not valid JSON." if plain else "The answer is empty; there is no plan in it."
        raise PlanInvalid(why, begins=begins)
    if not full:
        raise PlanInvalid("The plan has no pages: the model planned no page for this repository.", begins=begins)
    try:
        return Plan.model_validate(full[-1])
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise PlanInvalid(f"The plan has the wrong shape: {where}: {first['msg']}", begins=begins) from None


def values_of(text: str) -> Iterator[Any]:
    """Yield the JSON that an answer is, then that of its fences; thoughts left out."""
    plain = _THOUGHT.sub("", text[:MAX_TEXT]).lstrip("\ufeff").strip()
    yield from _whole(plain)
    yield from _fenced(plain)


def _plans(text: str, depth: int) -> list[dict[str, Any]]:
    """Return the plans of a text, in order: it is one itself, else its fences are, else every object in it is looked at."""
    found: list[dict[str, Any]] = []
    for values in (_whole, _fenced, _objects):
        found += [plan for value in values(text) for plan in _plans_in(value, depth)]
        if any(plan["navigation"] for plan in found):
            break
    return found


def _whole(text: str) -> Iterator[Any]:
    value = _decoded(text)
    if value is not None:
        yield value


def _fenced(text: str) -> Iterator[Any]:
    opening, inside = "", []
    for line in text.split("\n"):
        mark = re.match(r"[ \t]*(`{3,}|~{3,})([^\n`]*)", line)
        if mark is None or (opening and (mark[1][0] != opening[0] or len(mark[1]) < len(opening) or mark[2].strip())):
            inside.append(line)
        elif opening:
            yield from _whole("\n".join(inside))
            opening = ""
        else:
            opening, inside = mark[1], []


def _decoded(text: str) -> Any:
    for candidate in (text, _LOOSE.sub(_tightened, text)):
        try:
            return json.loads(candidate)
        except (ValueError, RecursionError):
            continue
    return None


def _tightened(match: re.Match[str]) -> str:
    """Keep strings, drop comments and trailing commas."""
    return match[0] if match[0].startswith('"') else ""


def _objects(text: str) -> Iterator[Any]:
    """Yield the outermost JSON objects of a text, as long as looking for them is cheap."""
    text = _LOOSE.sub(_tightened, text) if "navigation" in text else text
    decoder, position, scanned = json.JSONDecoder(), 0, 0
    while scanned < _MAX_SCANNED and (match := _OBJECT.search(text, position)):
        start = match.start()
        try:
            value, position = decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            unfinished = error.msg.startswith("Unterminated")
            scanned += (len(text) if unfinished else error.pos) - start + 1
            scanned += error.pos // 10  # the error itself counts the lines before it
            position = start + 1
        except RecursionError:
            scanned += 100_000
            position = start + 1
        else:
            yield value


def _plans_in(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, str):
        yield from _plans(_THOUGHT.sub("", value), depth + 1) if "navigation" in value else ()
    elif isinstance(value, list):
        for item in value[:50]:
            yield from _plans_in(item, depth + 1)
    elif isinstance(value, dict) and "navigation" in value:
        yield _shaped(value)
    elif isinstance(value, dict):
        for name in _CARRIERS:
            if name in value:
                yield from _plans_in(value[name], depth + 1)


def _shaped(plan: dict[str, Any]) -> dict[str, Any]:
    """Return a plan in the shape of the contract: groups without pages go, pages that are mere titles are pages."""
    groups = []
    navigation = plan["navigation"]
    for group in navigation if isinstance(navigation, list) else ():
        if isinstance(group, dict):
            pages = [page for item in _list(group.get("pages")) if (page := _page(item)) is not None]
            if pages:
                groups.append({"group": _text(group.get("group")), "pages": pages})
    return {"project_name": _text(plan.get("project_name")), "tagline": _text(plan.get("tagline")), "navigation": groups}


def _page(item: Any) -> dict[str, Any] | None:
    if isinstance(item, str) and item.strip():
        return {"slug": item, "title": item}
    if not isinstance(item, dict):
        return None
    title = _text(item.get("title"))
    slug = _text(item.get("slug")) or title
    if not slug:
        return None
    sources = [text for source in _list(item.get("sources")) if (text := _text(source))]
    return {"slug": slug, "title": title, "description": _text(item.get("description")), "sources": sources}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


# -- pages ----------------------------------------------------------------------------------------------------------------

_PREAMBLE = re.compile(
    r"\A(?:here(?:'s| is| are)|sure|certainly|of course|okay|ok|i(?:'ll| will|'ve| have| now have)|based on|let me|now i)\b"
    r"[^\n]*(?:\n(?!\s*\n)[^\n]*){0,3}\n\s*\n?(?=#{1,2} )",
    re.IGNORECASE,
)
_HARD = re.compile(
    r"invalid api key|not logged in|please (?:run )?/?log ?in|authentication[_ ]error|unauthori[sz]ed|invalid x-api-key"
    r"|oauth token|credit balance|hit your (?:usage )?limit|usage limit reached|quota exceeded|billing|payment required"
    r"|permission_error|authentication required|api key (?:not valid|expired)|please run .{1,30}\blogin\b"
    r"|exhausted your .{0,20}quota",
    re.IGNORECASE,
)
_PASSING = re.compile(
    r"rate.?limit|too many requests|overloaded|\b(?:429|500|502|503|504|529)\b|timed? ?out|connection (?:error|reset)|try again"
    r"|temporarily",
    re.IGNORECASE,
)
_TOOL_ERROR = re.compile(r"\A\s*(?:API Error|Error|Fatal|Exception|Traceback|Usage|Execution error)\b", re.IGNORECASE)
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})([^\n]*)", re.MULTILINE)
_SHORT = 600  # characters; a tool's error is shorter, and a page that short is hardly one


def page_of(text: str) -> str:
    """Read the page out of a model's answer.

    Parameters
    ----------
    text : str
        The whole answer.

    Returns
    -------
    str
        Markdown, without thoughts, envelope, outer fence and preamble; ends with one newline.

    Raises
    ------
    ProviderFailed
        The answer is empty, cut off, or the error of a tool; `transient` or `fatal` as `failure_of` says.
    """
    page = _unwrapped(_THOUGHT.sub("", safe_text(text).lstrip("\ufeff")).strip())
    page = _PREAMBLE.sub("", page).strip()
    if not page:
        raise ProviderFailed("the answer is empty", transient=True)
    if len(page) < _SHORT and not re.search(r"^#{1,6} ", page, re.MULTILINE) and _is_error(page):
        raise failure_of(page)
    if _is_cut_off(page):
        raise ProviderFailed("the answer was cut off inside a code block", transient=True)
    return page + "\n"


def failure_of(sentence: str, status: int | None = None) -> ProviderFailed:
    """Return the error that a provider's own sentence means.

    Parameters
    ----------
    sentence : str
        What the provider said; it becomes the message.
    status : int or None
        The HTTP status, where there is one.

    Returns
    -------
    ProviderFailed
        ``fatal`` for a login or a limit that no other try can pass, ``transient`` for what may pass by itself.
    """
    text = " ".join(safe_text(sentence).split())[:500] or (f"HTTP {status}" if status else "no reason was given")
    if status in (401, 402, 403) or (status not in (429, 529) and _HARD.search(text)):
        return ProviderFailed(text, fatal=True)
    passing = status in (408, 409, 425, 429) or (status is not None and status >= 500) or bool(_PASSING.search(text))
    return ProviderFailed(text, transient=passing)


def _is_error(text: str) -> bool:
    return bool(_TOOL_ERROR.search(text) or (len(text) < _SHORT // 2 and (_HARD.search(text) or _PASSING.search(text))))


def _unwrapped(text: str) -> str:
    """Take the page out of a JSON envelope or out of one fence around the whole of it."""
    for _ in range(_MAX_DEPTH):
        value = _decoded(text) if text.startswith("{") else None
        inner = next((value[n] for n in _CARRIERS if isinstance(value.get(n), str)), None) if isinstance(value, dict) else None
        if inner is None:
            inner = _inside_fence(text)
        if inner is None:
            return text
        text = inner.strip()
    return text


def _inside_fence(text: str) -> str | None:
    """Return what one Markdown fence around the whole text holds; fences inside it are shorter or balanced."""
    lines = text.split("\n")
    opening = re.match(r"(`{3,}|~{3,})[ \t]*(?:markdown|md|mdx)?[ \t]*\Z", lines[0], re.IGNORECASE)
    if opening is None or len(lines) < 3 or lines[-1].strip() != opening[1]:
        return None
    inside = "\n".join(lines[1:-1])
    if lines[0].strip() == opening[1] and not re.search(r"^#{1,6} ", inside, re.MULTILINE):
        return None  # a page that is one code block
    return None if _is_cut_off(inside) else inside


def _is_cut_off(page: str) -> bool:
    """Say whether a code block is left open at the end."""
    fence = ""
    for mark, rest in _FENCE.findall(page):
        if not fence:
            fence = mark
        elif mark[0] == fence[0] and len(mark) >= len(fence) and not rest.strip():
            fence = ""
    return bool(fence)
