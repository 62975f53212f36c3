"""From the raw path of a request to a variant: both path forms and the query form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from urllib.parse import unquote_to_bytes

from docsfy_jupyter.errors import Ambiguous, BadRequest, NotFound
from docsfy_jupyter.generation.feed import ChangeFeed
from docsfy_jupyter.models import MAX_SEGMENT, Variant

ACTIONS = ("abort", "download", "events", "render")


@dataclass(frozen=True)
class Address:
    """What a path or query names; ``branch`` and ``owner`` are None where it does not say."""

    name: str
    provider: str
    model: str
    branch: str | None = None
    owner: str | None = None


@dataclass(frozen=True)
class Target:
    """What a path below ``api/projects/`` asks for: a project or a variant, and perhaps an action on it."""

    name: str
    variant: Address | None = None
    action: str | None = None


def decode_segment(raw: str) -> str:
    """Decode one percent-encoded segment, once.

    Raises
    ------
    BadRequest
        Not UTF-8; ``.`` or ``..``; a control character; empty; longer than 200 characters.
    """
    try:
        text = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest(f"The path segment {raw!r} is not UTF-8 once decoded.") from None
    return check_segment(text)


def check_segment(text: str) -> str:
    """Return the text of a segment if it can name something.

    Raises
    ------
    BadRequest
    """
    if text in {"", ".", ".."} or len(text) > MAX_SEGMENT or any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise BadRequest(
            f"{text[:60]!r} cannot be part of an address: 1 to {MAX_SEGMENT} characters, no control character, not '.' or '..'."
        )
    return text


def parse_target(segments: Sequence[str], exists: Callable[[Address], bool]) -> Target:
    """Read the decoded segments after ``api/projects/``.

    Parameters
    ----------
    segments : sequence of str
        Decoded.
    exists : callable
        Says whether an address has a row: where a path fits both forms, an existing variant decides, the longer key first.

    Raises
    ------
    NotFound
        No route has that many segments.
    """
    count = len(segments)
    if count == 1:
        return Target(segments[0])
    if count == 2 and segments[1] in ("abort", "download"):
        return Target(segments[0], action=segments[1])
    readings: list[Target] = []
    if count == 4:
        readings.append(_target(segments, branch=True))
    if count == 5 and segments[4] in ACTIONS:
        readings.append(_target(segments[:4], branch=True, action=segments[4]))
    if count == 3:
        readings.append(_target(segments, branch=False))
    if count == 4 and segments[3] in ACTIONS:
        readings.append(_target(segments[:3], branch=False, action=segments[3]))
    for reading in readings:
        if reading.variant is not None and exists(reading.variant):
            return reading
    if not readings:
        raise NotFound(
            "There is no such path below docsfy/api/projects/. A variant is name/provider/model or "
            "name/branch/provider/model, each part percent-encoded."
        )
    return readings[-1]


def _target(segments: Sequence[str], *, branch: bool, action: str | None = None) -> Target:
    if branch:
        name, ref, provider, model = segments
        return Target(name, Address(name, provider, model, ref), action)
    name, provider, model = segments
    return Target(name, Address(name, provider, model), action)


def matching(feed: ChangeFeed, address: Address) -> list[Variant]:
    """Return the rows that an address may mean."""
    return [
        row
        for row in feed.rows()
        if (row.name, row.ai_provider, row.ai_model) == (address.name, address.provider, address.model)
        and address.branch in (None, row.branch)
        and address.owner in (None, row.owner)
    ]


def near_misses(feed: ChangeFeed, wanted: str) -> list[str]:
    """Return up to three addresses that somebody who asked for `wanted` may have meant, the likeliest first."""
    return get_close_matches(wanted, sorted({row.address for row in feed.rows()}), n=3, cutoff=0.6)


def resolve(feed: ChangeFeed, address: Address, user: str) -> Variant:
    """Return the one row that an address means.

    Without a branch the default branch's variant is meant, else the only one there is; without an owner the caller's own
    is preferred.

    Raises
    ------
    NotFound, Ambiguous
    """
    rows = matching(feed, address)
    if address.owner is None:
        rows = [row for row in rows if row.owner == user] or rows
    if len(rows) > 1:
        rows = [row for row in rows if row.is_default_branch] or rows
    if not rows:
        ref = f"/{address.branch}" if address.branch else ""
        wanted = f"{address.name}{ref}/{address.provider}/{address.model}"
        raise NotFound(f"There is no variant {wanted}.", candidates=near_misses(feed, wanted))
    if len(rows) > 1:
        names = sorted(row.address for row in rows)
        raise Ambiguous(f"Several variants fit; name the branch: {', '.join(names)}.", candidates=names)
    return rows[0]
