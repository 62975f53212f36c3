"""Pure: parameters → the variants that are wanted, with their absolute paths; and which rows of a server they are."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from docsfy_jupyter.addresses import is_url
from docsfy_jupyter.batch.parameters import BatchParameters, Grid, ModelEntry, RepoEntry, VariantEntry, nth
from docsfy_jupyter.errors import InvalidBody
from docsfy_jupyter.models import safe_text
from docsfy_jupyter.requests import NAME_PATTERN

_HINT = "variants:\n  - repo: https://github.com/you/project   # or a path, relative to this file\n    provider: local"


@dataclass(frozen=True)
class Wanted:
    """One variant that a batch brings up to date.

    Parameters
    ----------
    place : str
        Where it was asked for, such as ``variant 2 of 9 (../service)``.
    repo : str
        A URL, or an absolute path.
    name : str
        The project's name, as the server would choose it where none was given.
    branch, provider, model : str or None
        None leaves the choice to the server.
    force : bool
        Forget the cached pages first.
    publish_dir : Path or None
        Absolute; receives the site.
    credential_env : str or None
        As in ``POST api/generate``.
    """

    place: str
    repo: str
    name: str
    branch: str | None = None
    provider: str | None = None
    model: str | None = None
    force: bool = False
    publish_dir: Path | None = None
    credential_env: str | None = None

    @property
    def label(self) -> str:
        """How it is called before the server has chosen what was left out."""
        return called(self.name, self.branch, self.provider, self.model)

    def body(self, max_cost_usd: float | None) -> dict[str, Any]:
        """Return what ``POST api/generate`` gets."""
        given = {
            "repo_url" if is_url(self.repo) else "repo_path": self.repo,
            "name": self.name,
            "branch": self.branch,
            "provider": self.provider,
            "model": self.model,
            "force": self.force,
            "credential_env": self.credential_env,
            "max_cost_usd": max_cost_usd,
        }
        return {field: value for field, value in given.items() if value is not None}


def called(name: str, branch: str | None, provider: str | None, model: str | None) -> str:
    """Return ``name/branch/provider/model``, or the name and what else was said: ``alpha``, ``alpha (branch main, claude)``."""
    if branch and provider and model:
        return f"{name}/{branch}/{provider}/{model}"
    writer = "/".join(filter(None, (provider, model))) if provider else model and f"model {model}"
    said = ", ".join(filter(None, (branch and f"branch {branch}", writer)))
    return f"{name} ({said})" if said else name


def expand(parameters: BatchParameters, base_dir: Path | None = None) -> tuple[Wanted, ...]:
    """Return every variant that is wanted, those of the list first, then the grid's.

    Parameters
    ----------
    parameters : BatchParameters
        Valid by themselves.
    base_dir : Path, optional
        What `BatchParameters.base_dir` is relative to; the working folder otherwise.

    Raises
    ------
    InvalidBody
        There is none; a name cannot be one; two collide in their address, their name or their ``publish_dir``.
    """
    base = (base_dir or Path.cwd()) / os.path.expanduser(parameters.base_dir)
    entries = parameters.variants
    listed = [_wanted(nth("variants", number, entries), entry, base) for number, entry in enumerate(entries)]
    found = [*listed, *(_wanted(place, entry, base) for place, entry in _cells(parameters.grid))]
    faults = [*_bad_names(found), *_collisions(found)]
    if not found:
        faults = [{"path": "", "reason": f"nothing to do. Write for example:\n{_HINT}"}]
    if faults:
        raise InvalidBody.of(faults)
    return tuple(found)


def _cells(grid: Grid | None) -> Iterator[tuple[str, VariantEntry]]:
    if grid is None:
        return
    repos = [repo if isinstance(repo, RepoEntry) else RepoEntry(repo=repo) for repo in grid.repos]
    models: list[ModelEntry | None] = [_model(model) for model in grid.models] or [None]
    branches: list[str | None] = [*grid.branches] or [None]
    for (number, repo), branch, model in product(enumerate(repos), branches, models):
        chosen = model.model_dump() if model else {}
        cell = f"{branch or 'default branch'}, {model.provider if model else 'default provider'}"
        place = f"grid, {nth('repos', number, repos)}, {cell}"
        yield place, VariantEntry(**repo.model_dump(), branch=branch, **chosen)


def _model(given: str | ModelEntry) -> ModelEntry:
    """Read ``provider/model``; a model may have slashes of its own."""
    if isinstance(given, ModelEntry):
        return given
    provider, _, model = given.partition("/")
    return ModelEntry(provider=provider, model=model or None)


def _wanted(place: str, entry: VariantEntry, base: Path) -> Wanted:
    repo = entry.repo if is_url(entry.repo) else str(_absolute(base, entry.repo))
    publish = None if entry.publish_dir is None else _absolute(base, entry.publish_dir)
    return Wanted(
        place=place,
        repo=repo,
        name=entry.name or _last_part(repo),
        branch=entry.branch,
        provider=entry.provider,
        model=entry.model,
        force=entry.force,
        publish_dir=publish,
        credential_env=entry.credential_env,
    )


def _absolute(base: Path, text: str) -> Path:
    # resolved without touching the disk: a repository that is not there is a variant that fails, not a bad file
    parts: list[str] = []
    for part in (base.absolute() / os.path.expanduser(text)).parts:
        if part == ".." and len(parts) > 1:
            parts.pop()
        elif part not in (".", ".."):
            parts.append(part)
    return Path(*parts)


def _last_part(repo: str) -> str:
    path = repo.split("?", 1)[0].rstrip("/").removesuffix(".git").rstrip("/")
    return re.split(r"[/:\\]", path)[-1]


def _bad_names(found: Iterable[Wanted]) -> Iterator[dict[str, str]]:
    for wanted in found:
        if not re.fullmatch(NAME_PATTERN.strip("^$"), wanted.name):
            reason = f"{safe_text(wanted.name)!r} cannot be the name of a project: give it one, name: my-project"
            yield {"path": wanted.place, "reason": reason}


def _collisions(found: Iterable[Wanted]) -> Iterator[dict[str, str]]:
    addresses: dict[tuple[str | None, ...], Wanted] = {}
    names: dict[str, Wanted] = {}
    folders: dict[Path, Wanted] = {}
    for wanted in found:
        same = addresses.setdefault((wanted.name, wanted.branch, wanted.provider, wanted.model), wanted)
        namesake = names.setdefault(wanted.name, wanted)
        if same is not wanted:
            reason = f"is {wanted.label}, as {same.place} is: leave one out, or give it another name"
            yield {"path": wanted.place, "reason": reason}
        elif namesake.repo != wanted.repo:
            reason = f"is called {wanted.name!r}, as {namesake.place} is, which is another repository: give one of them a name:"
            yield {"path": wanted.place, "reason": reason}
        folder = wanted.publish_dir
        if folder is None:
            continue
        clash = next((path for path in folders if path == folder or path in folder.parents or folder in path.parents), None)
        if clash is not None:
            reason = f"publish_dir {folder} lies in the same place as that of {folders[clash].place}: give each its own folder"
            yield {"path": wanted.place, "reason": reason}
        folders[folder] = wanted


def matching(
    wanted: Wanted, rows: Iterable[Mapping[str, Any]], models: Mapping[str, Any], user: str
) -> Mapping[str, Any] | None:
    """Return the one row of a listing that a variant means; None where there is none yet, or no telling which.

    Parameters
    ----------
    wanted : Wanted
        What is left out in it, the server chooses.
    rows : iterable of mapping
        As `DocsfyClient.listing` has them.
    models : mapping
        The answer of ``GET api/models``, for the defaults.
    user : str
        Who asks: a run would be theirs, whatever others have of the same name.
    """
    provider = wanted.provider or models.get("default_provider")
    model = wanted.model or (models.get("default_model") if provider == models.get("default_provider") else None)
    fits = [
        row
        for row in rows
        if (row["name"], row["ai_provider"], row["owner"]) == (wanted.name, provider, user)
        and model in (None, row["ai_model"])
        and (row["branch"] == wanted.branch if wanted.branch else row["is_default_branch"])
    ]
    return fits[0] if len(fits) == 1 else None
