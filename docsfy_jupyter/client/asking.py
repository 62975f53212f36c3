"""Pure: a request for a run, from the words of whoever asks to those of the server, and back where it is refused."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docsfy_jupyter import errors
from docsfy_jupyter.addresses import is_url
from docsfy_jupyter.client.steps import Request, Steps

# fields of the server → what callers and batch files name them by
NAMES = {"repo_url": "repo", "repo_path": "repo", "ai_provider": "provider", "ai_model": "model"}
_NONE = "No repository was named: give a URL such as https://host/owner/repository, or a folder's path."
_WITHOUT_SCHEME = re.compile(r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}(/[^/\s]+){2,}/?$")  # github.com/owner/name


def asked(verb: str, repo: str | Path | None, more: Mapping[str, Any], **named: Any) -> Steps[dict[str, Any]]:
    """Ask ``POST api/{verb}`` for a run.

    Parameters
    ----------
    verb : str
        ``generate`` or ``estimate``.
    repo : str, Path or None
        A URL or a path.
    more : mapping
        Fields by the names that the server has for them.
    **named : Any
        ``provider``, ``model``, and fields that have one name.

    Raises
    ------
    InvalidBody
        In the names that the caller has used.
    BadRequest, SourceRefused, ProviderUnavailable, Conflict, ClientError
    """
    body = _body(repo, more, ai_provider=named.pop("provider"), ai_model=named.pop("model"), **named)
    try:
        return dict((yield Request("POST", f"api/{verb}", json=body, timeout=60)).json())
    except errors.InvalidBody as error:
        raise error.named({field: name for field, name in NAMES.items() if field not in more}) from None


def _body(repo: str | Path | None, more: Mapping[str, Any], **named: Any) -> dict[str, Any]:
    """Return the body of a request for a run, without what nobody gave."""
    given = {key: value for key, value in {**named, **_source(repo)}.items() if value is not None}
    if twice := sorted(given.keys() & more.keys()):
        raise errors.BadRequest(f"{', '.join(twice)} was passed under two names; pass it once.")
    body = {**given, **{key: value for key, value in more.items() if value is not None}}
    sources = [field for field in ("repo_url", "repo_path") if field in body]
    if not sources:
        raise errors.BadRequest(_NONE)
    if len(sources) > 1:
        raise errors.BadRequest("Two repositories were named; pass one, as repo.")
    if "repo_path" in body:
        body["repo_path"] = os.path.abspath(os.path.expanduser(body["repo_path"]))
    return body


def _source(repo: str | Path | None) -> dict[str, str]:
    """Return the field that names a repository; a folder that is here wins over what looks like a URL."""
    if repo is None:
        return {}
    text = str(repo).strip()
    if not text:
        raise errors.BadRequest(_NONE)
    here = isinstance(repo, Path) or os.path.exists(os.path.expanduser(text))
    if not here and is_url(text):
        return {"repo_url": text}
    if not here and _WITHOUT_SCHEME.match(text):
        raise errors.BadRequest(f"There is no folder {text}. For the repository on that host name it whole: https://{text}")
    return {"repo_path": str(repo)}
