"""What the checking process is sent and what it answers; nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


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

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> CheckJob:
        """Read a job, which is sent as `dataclasses.asdict` has it."""
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

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Report:
        """Read a report, which is sent as `dataclasses.asdict` has it."""
        return cls([Missing(**one) for one in data["missing"]], data["unmentioned"], data["unmentioned_total"])


class OutOfTime(Exception):
    """The budget was used up."""
