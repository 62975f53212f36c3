"""``.docsfy.yaml`` in a repository: what its maintainers ask of whoever documents it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import translate
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from docsfy_jupyter.errors import SteeringInvalid
from docsfy_jupyter.models import Plan, PlanGroup, PlanPage, TrackedFile, clean_text, safe_text

NAME = ".docsfy.yaml"
MAX_BYTES = 64 * 1024


class Steering(BaseModel):
    """What the file may say; anything else in it is an error that names it.

    Parameters
    ----------
    instructions : str
        Words for the writer: audience, tone, what to stress.
    include, exclude : list of str
        Patterns of tracked paths (``*`` also matches ``/``); an excluded one wins.
    pages : list of PlanPage
        The pages to write, in place of a plan.
    """

    model_config = ConfigDict(extra="forbid")

    instructions: str = Field(default="", max_length=20_000)
    include: list[str] = Field(default_factory=list, max_length=100)
    exclude: list[str] = Field(default_factory=list, max_length=100)
    pages: list[PlanPage] = Field(default_factory=list, max_length=500)

    def shown(self, files: Iterable[TrackedFile]) -> tuple[TrackedFile, ...]:
        """Return the files that the writer may know of."""
        include, exclude = _any_of(self.include), _any_of(self.exclude)

        def wanted(path: str) -> bool:
            return (not self.include or include.match(path) is not None) and exclude.match(path) is None

        return tuple(file for file in files if wanted(clean_text(file.path)))

    def plan(self, project_name: str) -> Plan | None:
        """Return the plan that the file dictates, None where it leaves planning to the model."""
        if not self.pages:
            return None
        return Plan(project_name=project_name, navigation=[PlanGroup(group="Documentation", pages=self.pages)])


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    """Return one expression for all patterns: a folder's name means what is in it; without patterns nothing matches."""
    parts = [f"(?:{translate(pattern)})|(?:{re.escape(pattern.rstrip('/'))}/)" for pattern in patterns]
    return re.compile("|".join(parts) or r"(?!)", re.DOTALL)


def read_steering(checkout: Path, files: Iterable[TrackedFile]) -> Steering:
    """Read the file of a checkout; without one nothing is asked.

    Parameters
    ----------
    checkout : Path
        The clone.
    files : iterable of TrackedFile
        Its tracked files; a symlink of that name is not read.

    Raises
    ------
    SteeringInvalid
        With what is wrong and where.
    """
    if not any(file.path == NAME and file.regular for file in files):
        return Steering()
    try:
        raw = (checkout / NAME).read_bytes()
        if len(raw) > MAX_BYTES:
            raise SteeringInvalid(f"{NAME} has {len(raw):,} bytes; {MAX_BYTES:,} is the most.")
        data = yaml.safe_load(raw)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise SteeringInvalid(f"{NAME} is not valid YAML: {where}{safe_text(str(error.problem))[:300]}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise SteeringInvalid(f"{NAME} is not valid YAML: {' '.join(safe_text(str(error)).split())[:300]}") from None
    except OSError as error:
        raise SteeringInvalid(f"{NAME} cannot be read: {error.strerror}") from None
    try:
        return Steering.model_validate({} if data is None else data)
    except ValidationError as error:
        faults = "; ".join(map(_fault, error.errors(include_url=False)[:5]))
        raise SteeringInvalid(f"{NAME} is not valid: {faults}") from None


def _fault(fault: ErrorDetails) -> str:
    place = safe_text(".".join(map(str, fault["loc"])))[:100] or "the file"
    if fault["type"] != "extra_forbidden":
        return f"{place}: {fault['msg']}"
    keys = Steering.model_fields if len(fault["loc"]) == 1 else PlanPage.model_fields
    near = get_close_matches(str(fault["loc"][-1]), keys, n=1)
    return f"there is no key {place!r}{f' (did you mean {near[0]!r}?)' if near else ''}, only {', '.join(keys)}"
