"""Pages against the clone: what a page mentions and the clone does not have."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from docsfy_jupyter.verification import rules
from docsfy_jupyter.verification.candidates import Candidate, Own, candidates
from docsfy_jupyter.verification.clone import Clone
from docsfy_jupyter.verification.jobs import CheckJob, Missing, Report
from docsfy_jupyter.verification.mentions import read_page
from docsfy_jupyter.verification.unmentioned import MOST_UNMENTIONED, unmentioned

_PAGE = re.compile(r"(?:\./)?([\w-]+)\.(?:md|html)")
_REPO_FILES = "repo-files/"


def check(job: CheckJob) -> Report:
    """Look up what the pages mention.

    Parameters
    ----------
    job : CheckJob
        Pages and clone.

    Raises
    ------
    OutOfTime
        The budget was used up: nothing is known.
    """
    clone = Clone(job)
    own = Own(clone.commands(), clone.python.roots)
    texts = {slug: Path(path).read_text("utf-8", "replace") for slug, path in job.pages.items()}
    found: dict[str, list[Candidate]] = {}
    for slug, text in texts.items():
        clone.look_at_the_clock()
        found[slug] = list(dict.fromkeys(candidates(read_page(text), own)))
    every = {candidate for page in found.values() for candidate in page}
    missing = _Lookup(clone, job).missing(every)
    seen: set[tuple[str, str, str]] = set()
    listed = []
    for slug, page in found.items():
        for one in page:
            if one in missing and (slug, one.kind, one.name) not in seen:
                seen.add((slug, one.kind, one.name))
                listed.append(Missing(slug, one.kind, one.name))
    names = unmentioned(clone, texts.values())
    return Report(listed, names[:MOST_UNMENTIONED], len(names))


class _Lookup:
    """Looks candidates up, the cheap ways first; what stands anywhere in the clone as it is, is never missing."""

    def __init__(self, clone: Clone, job: CheckJob) -> None:
        self._clone = clone
        self._slugs = set(job.pages)
        self._images = set(job.images)
        self._words: set[str] = set()
        self._types: set[str] = set()

    def missing(self, wanted: set[Candidate]) -> set[Candidate]:
        self._words = self._clone.words({word for one in wanted for word in _words(one)})
        owners = {
            one.words[-2] for one in wanted if one.kind == "name" and len(one.words) > 1 and one.words[-1] not in self._words
        }
        self._types = self._clone.types(owners & self._words)
        left = {one for one in wanted if not self._there(one)}
        if not left:
            return left
        others = frozenset(self._clone.dependencies() - {root.lower() for root in self._clone.python.roots})
        passed = {
            text
            for text in {one.around for one in left}
            if rules.speaks_of_the_past(text) or (text and rules.speaks_of_others(text, others))
        }
        left = {one for one in left if one.around not in passed}
        left = {one for one in left if one.kind == "import" or not self._foreign(one, others)}
        literal = self._clone.literals({one.name.removesuffix("()") for one in left if one.kind != "link"})
        left = {one for one in left if one.name.removesuffix("()") not in literal}
        known = self._clone.known_elsewhere({one.words[-1] for one in left if one.words})
        return {one for one in left if not (one.words and one.words[-1] in known and not self._own(one))}

    def _there(self, one: Candidate) -> bool:
        ways: dict[str, Callable[[Candidate], bool]] = {
            "name": self._name,
            "path": lambda one: self._clone.has_path(one.name) or not self._near(one.name),
            "flag": self._flag,
            "variable": self._variable,
            "link": self._link,
            "import": lambda one: self._clone.python.has(one.name) is not False,
        }
        return ways[one.kind](one)

    def _name(self, one: Candidate) -> bool:
        *owners, last = one.words
        if not owners:
            return last in self._words
        known = self._clone.python.has(".".join(one.words))
        if known is not None:
            return known
        # Of something that the clone does not define nothing is said; and a plain word may be anything.
        return last in self._words or owners[-1] not in self._types or not rules.is_telling(last, called="()" in one.name)

    def _own(self, one: Candidate) -> bool:
        return len(one.words) > 1 and self._clone.python.has(".".join(one.words)) is False

    def _foreign(self, one: Candidate, others: frozenset[str]) -> bool:
        return one.kind == "name" and len(one.words) > 1 and one.words[0].lower() in others

    def _near(self, path: str) -> bool:
        """Whether a path claims to be of the clone: it begins in one of its folders, or names a source file."""
        first = re.sub(r"^(\./|\.\./)+", "", path).split("/")[0]
        inside = "/" in path and self._clone.has_path(first)
        return inside or rules.suffix(path) in rules.SOURCE_SUFFIXES

    def _flag(self, one: Candidate) -> bool:
        name = one.name.lstrip("-")
        return _spelled(name) in self._words or _spelled(name.removeprefix("no-")) in self._words

    def _variable(self, one: Candidate) -> bool:
        if one.name in self._words:
            return True
        # A prefix and a field's name, as pydantic's settings and click put variables together.
        parts = one.name.split("_")
        splits = [("_".join(parts[:count]), "_".join(parts[count:]).lower()) for count in range(1, len(parts))]
        return any({first, f"{first}_"} & self._words and last in self._words for first, last in splits)

    def _link(self, one: Candidate) -> bool:
        target = unquote(one.name.split("#")[0].split("?")[0], errors="surrogateescape")
        page = _PAGE.fullmatch(target)
        if page and (page[1] in self._slugs or page[1] == "index"):
            return True
        path = target.removeprefix("./").removeprefix(_REPO_FILES)
        return path in self._images or PurePosixPath(path).as_posix() in self._clone.paths or self._clone.has_path(path)


def _spelled(flag: str) -> str:
    return flag.rpartition(".")[2].replace("-", "_")


def _words(one: Candidate) -> set[str]:
    if one.kind == "flag":
        name = one.name.lstrip("-")
        return {_spelled(name), _spelled(name.removeprefix("no-"))}
    if one.kind == "variable":
        parts = one.name.split("_")
        firsts = {"_".join(parts[:count]) for count in range(1, len(parts))}
        lasts = {"_".join(parts[count:]).lower() for count in range(1, len(parts))}
        return {one.name, *firsts, *(f"{first}_" for first in firsts), *lasts}
    return set(one.words)
