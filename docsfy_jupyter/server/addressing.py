"""From the raw path of a request to a variant: both path forms and the query form."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from urllib.parse import unquote_to_bytes

from docsfy_jupyter.errors import Ambiguous, BadRequest, NotFound
from docsfy_jupyter.generation.feed import ChangeFeed
from docsfy_jupyter.models import Variant
from docsfy_jupyter.requests import check_segment

_COMPARED = 100  # names or addresses on either side


@dataclass(frozen=True)
class Address:
    """What a path or query names; ``branch`` and ``owner`` are None where it does not say.

    A branch may be written as docsfy's clients write it in paths, ``feature~2Fx``: no branch or tag has a ``~`` in git.
    """

    name: str
    provider: str
    model: str
    branch: str | None = None
    owner: str | None = None

    def __post_init__(self) -> None:
        if self.branch is not None:
            object.__setattr__(self, "branch", self.branch.replace("~2F", "/").replace("~7E", "~"))

    @property
    def text(self) -> str:
        """``name/branch/provider/model``, or ``name/provider/model`` without a branch."""
        return "/".join(filter(None, (self.name, self.branch, self.provider, self.model)))


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
    try:
        return check_segment(text)
    except ValueError as error:
        raise BadRequest(f"{error}.") from None


def matching(feed: ChangeFeed, address: Address) -> list[Variant]:
    """Return the rows that an address may mean."""
    return [
        row
        for row in feed.named(address.name)
        if (row.ai_provider, row.ai_model) == (address.provider, address.model)
        and address.branch in (None, row.branch)
        and address.owner in (None, row.owner)
    ]


def named_by(feed: ChangeFeed, segments: Sequence[str]) -> tuple[Address, list[str]] | None:
    """Return the variant that a path begins with and the segments after it; None where it begins with none that exists.

    The segments are taken as they are where that names a variant. Where it does not, a proxy may have decoded ``%2F`` on the
    way: the longest address is meant that the path begins with, whatever slashes are in its parts.

    Parameters
    ----------
    feed : ChangeFeed
        The variants that there are.
    segments : sequence of str
        Decoded.
    """
    for address, rest in _as_they_are(segments):
        if matching(feed, address):
            return address, rest
    path = "/".join(segments)
    fitting = [one for row in feed.named(segments[0]) for one in _forms(row) if f"{path}/".startswith(f"{one.text}/")]
    if not fitting:
        return None
    longest = max(fitting, key=lambda one: len(one.text))
    after = path[len(longest.text) :]
    return longest, after[1:].split("/") if after else []


def _as_they_are(segments: Sequence[str]) -> Iterator[tuple[Address, list[str]]]:
    if len(segments) > 3:
        yield Address(segments[0], segments[2], segments[3], segments[1]), list(segments[4:])
    if len(segments) > 2:
        yield Address(*segments[:3]), list(segments[3:])


def _forms(row: Variant) -> tuple[Address, Address]:
    return Address(row.name, row.ai_provider, row.ai_model, row.branch), Address(row.name, row.ai_provider, row.ai_model)


def near_misses(feed: ChangeFeed, wanted: str) -> list[str]:
    """Return up to three addresses that somebody who asked for `wanted` may have meant, the likeliest first."""
    name = wanted.split("/", 1)[0]
    of_name = _around([row.address for row in feed.named(name)], wanted)
    # by the name alone: of two projects by one provider and model most of the address is alike
    names = [] if of_name else get_close_matches(name, _near_names(feed, name), n=3)
    known = of_name or [row.address for near in names for row in feed.named(near)]
    return get_close_matches(wanted, known, n=3, cutoff=0.0)


def _near_names(feed: ChangeFeed, name: str) -> list[str]:
    return _around(feed.names(), name)


def _around(texts: Iterable[str], wanted: str) -> list[str]:
    """Return those around a text in the order of the alphabet: to compare all of thousands takes seconds."""
    texts = sorted(texts)
    place = bisect_left(texts, wanted)
    return texts[max(0, place - _COMPARED) : place + _COMPARED]


def missing(what: str, near: Sequence[str]) -> NotFound:
    """Return the error for what is not there, with the names that were meant perhaps, or where all names are."""
    if near:
        return NotFound(f"There is no {what}. Did you mean {' or '.join(near)}?", candidates=list(near))
    more = "client.list(), `jupyter docsfy list` and GET api/projects name all that there are"
    return NotFound(f"There is no {what}; {more}.", candidates=[])


def missing_project(feed: ChangeFeed, name: str, owner: str | None) -> NotFound:
    """Return the error for a project that is not there."""
    near = _near_names(feed, name)
    names = [known for known in near if owner is None or any(row.owner == owner for row in feed.named(known))]
    return missing(f"project {name!r}{f' of {owner}' if owner else ''}", get_close_matches(name, names, n=3))


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
        raise missing(f"variant {address.text}", near_misses(feed, address.text))
    if len(rows) > 1:
        names = sorted(row.address for row in rows)
        raise Ambiguous(f"Several variants fit; name the branch: {', '.join(names)}.", candidates=names)
    return rows[0]
