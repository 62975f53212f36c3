"""What the checking process is given and what it answers, as JSON; nothing heavy is imported here."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

OUT_OF_TIME = 3  # the exit code of a check whose budget was used up


@dataclass(frozen=True)
class CheckJob:
    """What is to be checked.

    Parameters
    ----------
    root : str
        The clone.
    files : tuple of str
        Tracked regular files, relative.
    pages : dict
        Slug to the file that holds the page's Markdown, in the order of the plan.
    images : tuple of str
        Tracked paths that pages may show.
    seconds : float
        Budget of processor time; when it is used up nothing is said, since half a look finds half of what is there.
    """

    root: str
    files: tuple[str, ...]
    pages: dict[str, str]
    images: tuple[str, ...] = ()
    seconds: float = 10.0

    def to_json(self) -> str:
        """Write the job; names that are not UTF-8 survive as escapes."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> CheckJob:
        """Read what `to_json` wrote."""
        data = json.loads(text)
        return cls(**{**data, "files": tuple(data["files"]), "images": tuple(data["images"])})


@dataclass(frozen=True)
class Missing:
    """Something that a page mentions and the clone does not have; ``kind`` as in `docsfy_jupyter.models.Finding`."""

    slug: str
    kind: str
    name: str


@dataclass(frozen=True)
class Report:
    """What came of it.

    Parameters
    ----------
    missing : list of Missing
        In the order of the plan and of each page, each once a page.
    unmentioned : list of str
        Options first, then public names, at most `MOST_UNMENTIONED`.
    unmentioned_total : int
        How many there are.
    """

    missing: list[Missing] = field(default_factory=list)
    unmentioned: list[str] = field(default_factory=list)
    unmentioned_total: int = 0

    def to_json(self) -> str:
        """Write the report."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Report:
        """Read what `to_json` wrote."""
        data = json.loads(text)
        return cls([Missing(**one) for one in data["missing"]], data["unmentioned"], data["unmentioned_total"])


class OutOfTime(Exception):
    """The budget was used up."""
