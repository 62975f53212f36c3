"""What a request leaves open, filled in: provider, model and name."""

from __future__ import annotations

from collections.abc import Iterable

from docsfy_jupyter.errors import BadRequest, NameTaken
from docsfy_jupyter.generation.settings import Settings
from docsfy_jupyter.models import Variant
from docsfy_jupyter.providers.base import Provider
from docsfy_jupyter.providers.registry import ProviderRegistry
from docsfy_jupyter.requests import GenerateRequest, check_name
from docsfy_jupyter.sources.rules import Source, same_repository


def chosen_provider(request: GenerateRequest, settings: Settings, providers: ProviderRegistry) -> tuple[Provider, str]:
    """Return the provider and the model of a request; the server's default model is for its default provider only.

    Raises
    ------
    ProviderUnavailable
        There is no such provider.
    """
    provider = providers.get(request.ai_provider or settings.default_provider)
    default = settings.default_model if provider.name == settings.default_provider else ""
    return provider, request.ai_model or default or provider.default_model


def default_name(source: Source) -> str:
    """Return a project's name by its source's.

    Raises
    ------
    BadRequest
        It cannot be one.
    """
    try:
        return check_name(source.name)
    except ValueError as error:
        raise BadRequest(f"{error}; pass another one yourself: name=….") from None


def known_credential(rows: Iterable[Variant], request: GenerateRequest, user: str) -> str | None:
    """Return the variable that this owner named for this very repository before, so that nobody names it twice."""
    owner, url = request.owner or user, request.repo_url
    for row in rows if url else ():
        if row.owner == owner and row.credential_env and same_repository(row.repo_url, url or ""):
            return row.credential_env
    return None


def check_not_taken(rows: Iterable[Variant], name: str, owner: str, source: Source) -> None:
    """Say whether a name may be used for a repository: two never share a variant.

    Raises
    ------
    NameTaken
        The owner has it for another one.
    """
    for row in rows:
        if (row.name, row.owner) == (name, owner) and not same_repository(row.repo_url, source.display):
            raise NameTaken(
                f"The name {name!r} is taken by {row.repo_url}. Pass another name (name=…) to document {source.display}."
            )
