"""Pure: what a batch file or the notebook's first cell may say, validated before anything starts.

Types are strict: YAML, papermill's ``-p`` and people turn a branch ``1.10`` into the number 1.1 and a *false* into a text
that counts as true. Each such fault is told with the way to write it.
"""

from __future__ import annotations

import difflib
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from docsfy_jupyter.addresses import holds_secret
from docsfy_jupyter.errors import InvalidBody
from docsfy_jupyter.models import safe_text

M = TypeVar("M", bound=BaseModel)
Text = Annotated[str, Field(min_length=1, max_length=4000)]
_ONE = {"variants": "variant", "repos": "repo", "branches": "branch", "models": "model"}
_SHOWN = 100  # characters of a repository
Written = Callable[[Sequence[Any]], str | None]  # the place of a value → its text in the file, where one is known


def _without_secret(repo: str) -> str:
    """Refuse what would stay readable in receipts, results and progress."""
    if holds_secret(repo):
        raise ValueError(
            "holds a user, password or token, which every receipt would show: leave it out, and name the server's environment "
            "variable that holds the token instead, credential_env: MY_GIT_TOKEN"
        )
    return repo


def _kept_nowhere(server_url: str) -> str:
    """Refuse what stays readable in the notebook; the command takes it from a batch file and hands it on by the environment."""
    if holds_secret(server_url):
        raise ValueError(
            "holds a token, which this notebook keeps: leave it out. A kernel of that server has its token already; elsewhere "
            "set DOCSFY_JUPYTER_TOKEN. What papermill has written with it is to be deleted"
        )
    return server_url


def _with_home(folder: str) -> str:
    """Refuse the home of nobody, which would be a folder of that very name."""
    if os.path.expanduser(folder).startswith("~"):
        raise ValueError(f"{folder.split('/', 1)[0]} is the home of nobody here: write the path in full")
    return folder


Repo = Annotated[Text, AfterValidator(_without_secret)]
Folder = Annotated[Text, AfterValidator(_with_home)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Dollars = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, defer_build=True, frozen=True)


class VariantEntry(_Strict):
    """One variant of a batch."""

    repo: Repo = Field(description="A URL, or a path relative to the batch file.")
    name: Text | None = Field(default=None, description="Project name; the repository's own otherwise.")
    branch: Text | None = Field(default=None, description="Branch or tag; the default branch otherwise.")
    provider: Text | None = Field(default=None, description="Who writes the pages; the server's default otherwise.")
    model: Text | None = Field(default=None, description="The provider's model; its default otherwise.")
    force: bool = Field(default=False, description="Forget the cached pages first.")
    publish_dir: Folder | None = Field(default=None, description="Folder that receives the site, relative to the batch file.")
    credential_env: Text | None = Field(default=None, description="The server's variable that holds the clone's credential.")


class RepoEntry(_Strict):
    """One repository of a grid."""

    repo: Repo
    name: Text | None = None
    credential_env: Text | None = None


class ModelEntry(_Strict):
    """One provider of a grid, with its model."""

    provider: Text
    model: Text | None = None


class Grid(_Strict):
    """Every repository with every branch and every model."""

    repos: Annotated[list[Repo | RepoEntry], Field(min_length=1)]
    branches: list[Text] = Field(default_factory=list, description="The default branch when empty.")
    models: list[Text | ModelEntry] = Field(default_factory=list, description="provider/model; the server's default when empty.")


class BatchParameters(_Strict):
    """The parameters of ``batch_regenerate.ipynb``, and of a batch file."""

    variants: list[VariantEntry] = Field(default_factory=list)
    grid: Grid | None = None
    base_dir: Annotated[str, AfterValidator(_with_home)] = Field(default="", description="Folder that relative paths start from.")
    server_url: Annotated[str, AfterValidator(_kept_nowhere)] | None = Field(
        default=None, description="Base URL of the Jupyter server; it is found otherwise."
    )
    timeout: Seconds | None = Field(default=14400.0, description="Seconds that the whole batch may take; null: no limit.")
    max_cost_usd: Dollars | None = Field(default=None, description="US dollars that the batch may cost.")
    stop_on_error: bool = Field(default=False, description="Abort the rest once one has failed.")
    stale_only: bool = Field(default=False, description="Leave out what documents its branch's present commit.")
    retry_failed: bool = Field(default=False, description="Leave out what is ready.")
    abort_on_timeout: bool = Field(default=False, description="Abort what is not done in time; it goes on otherwise.")


class BatchFile(BatchParameters):
    """A batch file: the notebook's parameters, and what the command does with the result."""

    server_url: str | None = Field(default=None, description="As in the notebook; it may have the token, ``?token=…``.")
    on_finished: Text | list[Text] | None = Field(default=None, description="A command that gets the result as JSON on stdin.")

    @field_validator("on_finished")
    @classmethod
    def _can_be_started(cls, command: str | list[str] | None) -> str | list[str] | None:
        if command is not None and not any(part.strip() for part in as_command(command)[:1]):
            raise ValueError("names no command: write on_finished: [program, argument], or leave it out")
        return command

    def parameters(self) -> dict[str, Any]:
        """Return what the notebook gets; a null that is not the notebook's own default is said."""
        given = self.model_dump(exclude={"on_finished"}, exclude_none=True)
        fields = BatchParameters.model_fields.items()
        nulls = [name for name, field in fields if field.get_default(call_default_factory=True) is not None]
        return given | {name: None for name in nulls if getattr(self, name) is None}


def as_command(command: str | list[str]) -> list[str]:
    """Return a command as the arguments that a shell would make of it.

    Raises
    ------
    ValueError
        With a sentence: its quotes do not fit, or no process can be given it.
    """
    try:
        found = shlex.split(command) if isinstance(command, str) else list(command)
    except ValueError as error:
        raise ValueError(f"cannot be read as a command ({error}): close the quotes, or write a list") from None
    if any("\0" in part for part in found):
        raise ValueError("holds a null character, which no command can")
    return found


def read_parameters(given: Mapping[str, Any]) -> BatchParameters:
    """Validate the notebook's parameters; an empty ``grid`` and ``server_url`` are none.

    Raises
    ------
    InvalidBody
        With every fault, and how to write it right.
    """
    return _validated(BatchParameters, _without_empties(given), _unknown_text)


def read_file(data: object, written: Written | None = None) -> BatchFile:
    """Validate what a batch file holds.

    Parameters
    ----------
    data : object
        What YAML makes of it.
    written : callable, optional
        Place → the text that stands there in the file: advice has it as it was written, ``1.10`` and not 1.1.

    Raises
    ------
    InvalidBody
        With every fault, and how to write it right.
    """
    if not isinstance(data, dict):
        raise InvalidBody.of(
            [{"path": "", "reason": f"a batch file is a mapping that begins with 'variants:', not {_kind(data)}"}]
        )
    return _validated(BatchFile, _without_empties(data), written or _unknown_text)


def _unknown_text(_: Sequence[Any]) -> None:
    """Know no file."""


def _without_empties(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name not in ("grid", "server_url") or value not in ({}, "")}


def _validated(model: type[M], data: Mapping[Any, Any], written: Written) -> M:
    odd = [key for key in data if not isinstance(key, str)]
    if odd:
        reason = "YAML reads on, off, yes and no as true and false; write a name in quotes"
        raise InvalidBody.of([{"path": str(key), "reason": f"{key!r} is not a name: {reason}"} for key in odd])
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = [(_written_loc(fault["loc"]), dict(fault)) for fault in error.errors(include_url=False)]
        first = dict(reversed(found))
        # a mapping in a union is also told to be no text: what is wrong in it counts
        inner = [loc for loc in first if not any(len(other) > len(loc) and other[: len(loc)] == loc for other in first)]
        raise InvalidBody.of([_fault(first[loc], loc, model, data, written(loc)) for loc in reversed(inner)]) from None


def _fault(
    error: Mapping[str, Any], loc: tuple[Any, ...], model: type[BaseModel], data: Mapping[Any, Any], written: str | None
) -> dict[str, str]:
    return {"path": safe_text(_place(loc, data)), "reason": safe_text(_reason(error, loc, model, written))}


def _place(loc: Sequence[Any], data: Any) -> str:
    """Say where a fault is, entries counted as people do: ``variant 8 of 9 (../service), branch``."""
    words: list[str] = []
    for part in loc:
        if isinstance(part, int) and words and _holds(data, part):
            words[-1] = nth(words[-1], part, data)
        else:
            words.append(str(part))
        data = data[part] if _holds(data, part) else None
    return ", ".join(words)


def _holds(data: Any, part: Any) -> bool:
    return part in data if isinstance(data, Mapping) else isinstance(data, Sequence) and isinstance(part, int)


def nth(name: str, number: int, entries: Sequence[Any]) -> str:
    """Name an entry of a list as people count: ``variant 8 of 9 (../service)``, with its repository unless that holds a secret.

    Parameters
    ----------
    name : str
        Of the list: ``variants``.
    number : int
        Its index, from 0.
    entries : sequence
        The list, of texts, mappings or models.
    """
    entry = entries[number]
    plain = entry if name in ("variants", "repos") else None
    repo = entry.get("repo") if isinstance(entry, Mapping) else getattr(entry, "repo", plain)
    shown = f" ({repo[:_SHOWN]})" if isinstance(repo, str) and repo and not holds_secret(repo) else ""
    return f"{_ONE.get(name, name)} {number + 1} of {len(entries)}{shown}"


def _written_loc(loc: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(part for part in loc if not _of_union(part))


def _of_union(part: object) -> bool:
    """Whether a part of a path is pydantic's name for a member of a union, not a key that somebody wrote."""
    names, beginnings = ("RepoEntry", "ModelEntry", "str"), ("constrained-", "function-", "list[")
    return isinstance(part, str) and (part.startswith(beginnings) or part in names)


def _reason(error: Mapping[str, Any], loc: Sequence[Any], model: type[BaseModel], written: str | None) -> str:
    value, kind, in_file = error["input"], str(error["type"]), model is BatchFile
    name = next((str(part) for part in reversed(loc) if isinstance(part, str)), "")
    if kind == "extra_forbidden":
        return _unknown(str(loc[-1]), loc, model)
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind == "missing":
        return "is needed" + (": a URL, or a path relative to the batch file" if name == "repo" else "")
    if kind == "string_type" and isinstance(value, bool | int | float | date):
        was = "YAML reads on, off, yes and no as true and false" if isinstance(value, bool) else "1.10 would arrive as 1.1"
        meant = value if written is None else written
        elsewhere = "" if in_file else "; after papermill's -p use -r instead"
        return f'{meant} is no text ({was}): write it in quotes, {name}: "{meant}"{elsewhere}'
    if kind == "bool_type":
        wanted = "false" if str(value).strip().lower() in ("false", "no", "off", "0") else "true"
        return f"{value!r} is {_kind(value)}, not true or false: write {name}: {wanted} without quotes (Python: {wanted.title()})"
    if kind in ("float_type", "float_parsing"):
        return f"{value!r} is {_kind(value)}: write a number without quotes, such as {name}: 3600"
    if kind == "list_type":
        dash = "begin each entry with a dash" + (", - repo: …" if name == "variants" else "")
        hint = dash if in_file or isinstance(value, dict) else "papermill takes lists by -f FILE or -y, not -p"
        return f"must be a list, not {_kind(value)}: {hint}"
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return f"must be a mapping, not {_kind(value)}: write '- repo: https://…', then its other keys below"
    return str(error["msg"])


def _unknown(name: str, loc: Sequence[Any], model: type[BaseModel]) -> str:
    model = VariantEntry if "variants" in loc[:1] and len(loc) > 1 else model
    if "grid" in loc[:1] and len(loc) > 1:
        model = Grid if len(loc) == 2 else RepoEntry if loc[1] == "repos" else ModelEntry
    known = list(model.model_fields)
    close = difflib.get_close_matches(name, known, 1)
    meant = f"did you mean {close[0]}? " if close else ""
    return f"there is no {name}; {meant}known here: {', '.join(known)}"


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    words = {bool: "a truth value", int: "a number", float: "a number", str: "a text", list: "a list", dict: "a mapping"}
    return next((word for kind, word in words.items() if isinstance(value, kind)), f"a {type(value).__name__}")
