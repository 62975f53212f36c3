"""Where a repository may come from: addresses, folders and branch names are judged here, before git is started."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

from docsfy_jupyter.addresses import SCP_LIKE
from docsfy_jupyter.errors import BadRequest, SourceRefused
from docsfy_jupyter.sources.hosts import refuse_odd_host, refuse_private_literal

SCHEMES_TRAIT = "c.DocsfyApp.allowed_url_schemes"
PATHS_TRAIT = "c.DocsfyApp.allow_local_paths"
_KNOWN_SCHEMES = frozenset({"https", "http", "ssh", "git"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_ENV_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*\Z")
_SECRET_ENV = ("JUPYTER", "JPY_", "DOCSFY_")
_REF_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.lock(/|$)|(^|/)\.|\.$|/$|^/|^-")


@dataclass(frozen=True)
class SourcePolicy:
    """What this server allows.

    Parameters
    ----------
    allowed_schemes : tuple of str
        Of ``https``, ``http``, ``ssh`` and ``git``.
    allow_private_hosts : bool
        Loopback, private, link-local and other addresses that are not public.
    allow_local_paths : bool
        Repositories in folders of this machine.
    clone_timeout : float
        Seconds that cloning may take.
    max_clone_bytes : int
        Bytes that a clone may take on disk.
    git_command : str
        The git program.
    """

    allowed_schemes: tuple[str, ...] = ("https",)
    allow_private_hosts: bool = False
    allow_local_paths: bool = True
    clone_timeout: float = 600
    max_clone_bytes: int = 2 * 1024**3
    git_command: str = "git"


@dataclass(frozen=True)
class Source:
    """One repository.

    Parameters
    ----------
    kind : str
        ``url`` or ``path``.
    location : str
        As it was given; may hold credentials, which its repr hides.
    display : str
        Credentials removed, or the absolute path: for rows, pages and messages.
    name : str
        The last part without ``.git``: the variant's name by default; not validated here.
    credential_env : str or None
        The variable of the server's environment that holds ``token`` or ``user:token``.
    """

    kind: Literal["url", "path"]
    location: str = field(repr=False)
    display: str
    name: str
    credential_env: str | None = None

    @property
    def scheme(self) -> str:
        """``https``, ``http``, ``ssh``, ``git`` or ``file``."""
        if self.kind == "path":
            return "file"
        return urlsplit(self.location).scheme.lower() if "://" in self.location else "ssh"

    @property
    def host(self) -> str:
        """The host in lower case; empty for a path."""
        if self.kind == "path":
            return ""
        if "://" in self.location:
            return (urlsplit(self.location).hostname or "").rstrip(".")
        match = SCP_LIKE.match(self.location)
        return match["host"].strip("[]").lower().rstrip(".") if match else ""


def parse_source(
    *,
    repo_url: str | None,
    repo_path: str | None,
    policy: SourcePolicy,
    credential_env: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Source:
    """Judge a repository's address or folder; nothing is started and no name is resolved.

    Raises
    ------
    SourceRefused
        The rules of this server do not allow it; the message names the trait where there is one.
    BadRequest
        It is no address of a repository, or no repository.
    """
    if (repo_url is None) == (repo_path is None):
        raise BadRequest("Give either repo_url or repo_path, one of the two.")
    if repo_path is not None:
        if credential_env is not None:
            raise BadRequest("credential_env is for a URL; a local repository needs no credentials.")
        return _parse_path(repo_path, policy)
    source = _parse_url(repo_url or "", policy, credential_env)
    if credential_env is not None:
        _check_credential(source, credential_env, os.environ if environ is None else environ)
    return source


def _parse_url(url: str, policy: SourcePolicy, credential_env: str | None) -> Source:
    if not url.strip():
        raise BadRequest("The repository's URL is empty: it needs an address such as https://host/owner/repository.")
    if url.startswith("-"):
        raise SourceRefused("The repository's URL begins with a dash: that is an option, no address.")
    if _CONTROL.search(url) or re.search(r"\s|\\", url):
        raise SourceRefused("The repository's URL holds spaces, backslashes or control characters: that is no address.")
    if re.match(r"^[A-Za-z0-9+.-]+::", url):
        raise SourceRefused(
            "The repository's URL names a git remote helper (…::…), which would run programs of its own; this is never allowed."
        )
    if "://" in url:
        source = _parse_full_url(url, policy, credential_env)
    elif match := SCP_LIKE.match(url):
        _refuse_scheme("ssh", policy)
        source = Source("url", url, url, _last_part(match["path"]), credential_env)
    else:
        raise BadRequest(
            "The repository's URL is none such as https://host/owner/repository; a folder on this machine is given by its path."
        )
    refuse_odd_host(source.host)
    if not policy.allow_private_hosts:
        refuse_private_literal(source.host)
    if not source.name:
        raise BadRequest(f"{source.display} names no repository: a path is missing after the host.")
    return source


def _parse_full_url(url: str, policy: SourcePolicy, credential_env: str | None) -> Source:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise BadRequest("The repository's URL is not valid: check the host and the port.") from None
    _refuse_scheme(parts.scheme.lower(), policy)
    if not parts.hostname:
        raise BadRequest("The repository's URL names no host.")
    return Source("url", url, _without_credentials(parts), _last_part(parts.path), credential_env)


def _refuse_scheme(scheme: str, policy: SourcePolicy) -> None:
    if scheme == "file":
        raise SourceRefused("file:// addresses are not allowed; a repository on this machine is given by its path.")
    if scheme not in _KNOWN_SCHEMES:
        raise SourceRefused(f"Addresses with {scheme}:// are not supported; use one of: {', '.join(policy.allowed_schemes)}.")
    if scheme not in policy.allowed_schemes:
        allowed = ", ".join(policy.allowed_schemes) or "none"
        raise SourceRefused(f"Addresses with {scheme} are not allowed on this server (allowed: {allowed}); see {SCHEMES_TRAIT}.")


def _without_credentials(parts: SplitResult) -> str:
    host = parts.netloc.rpartition("@")[2]
    user = f"{parts.username}@" if parts.scheme.lower() == "ssh" and parts.username else ""
    return f"{parts.scheme.lower()}://{user}{host}{parts.path}"


def _last_part(path: str) -> str:
    name = unquote(path.rstrip("/").rpartition("/")[2])
    return name.removesuffix(".git") or name


def _check_credential(source: Source, name: str, environ: Mapping[str, str]) -> None:
    if source.scheme not in ("https", "http"):
        raise BadRequest("credential_env works with https addresses; ssh uses the server's ssh agent and keys.")
    if not _ENV_NAME.match(name):
        raise BadRequest("credential_env is the name of an environment variable of the server, not its value.")
    if name.startswith(_SECRET_ENV):
        raise SourceRefused(f"credential_env {name} is a variable of the server's own; it is never sent to a git host.")
    if not environ.get(name):
        raise BadRequest(f"The environment variable {name} (credential_env) is not set in the Jupyter server.")


def _parse_path(text: str, policy: SourcePolicy) -> Source:
    if not policy.allow_local_paths:
        raise SourceRefused(f"Local repositories are not allowed on this server; see {PATHS_TRAIT}.")
    if not text or _CONTROL.search(text):
        raise BadRequest("The repository's path is empty or holds control characters.")
    text = os.path.expanduser(text)  # of the user whose server this is
    if not os.path.isabs(text):
        raise BadRequest("The repository's path must be absolute: the server does not know what it would be relative to.")
    path = Path(os.path.normpath(text))
    try:
        if not path.exists():
            raise BadRequest(f"The repository {path} does not exist on the server.")
        if not path.is_dir():
            raise BadRequest(f"{path} is a file; it must be the folder of a git repository.")
        repository = (path / ".git").exists() or all((path / part).exists() for part in ("HEAD", "objects", "refs"))
    except OSError as error:
        raise BadRequest(f"The repository {path} cannot be read: {error.strerror}.") from None
    if not repository:
        raise BadRequest(f"{path} is not a git repository: there is no .git in it. Give the repository's top folder.")
    return Source("path", str(path), str(path), _last_part(str(path)))


def same_repository(a: str, b: str) -> bool:
    """Compare two addresses or paths without ``.git``, a trailing slash, credentials and the case of the host."""
    return comparable(a) == comparable(b)


def comparable(text: str) -> str:
    """Return what all ways to write an address or path have in common."""
    if "://" in text:
        parts = urlsplit(text)
        host = parts.netloc.rpartition("@")[2].lower()
        text = f"{parts.scheme.lower()}://{host}{parts.path}"
    return text.rstrip("/").removesuffix(".git").rstrip("/")


def validate_ref(branch: str) -> None:
    """Accept what can be the name of a branch or tag.

    Raises
    ------
    BadRequest
        For everything that git would read as something else, or not at all.
    """
    if not branch:
        raise BadRequest("The branch is empty; leave it out for the default branch.")
    if branch in ("HEAD", "@") or len(branch) > 250 or _REF_FORBIDDEN.search(branch) or _CONTROL.search(branch):
        shown = branch[:60].encode("unicode_escape").decode("ascii")
        raise BadRequest(f"'{shown}' cannot be the name of a branch or tag.")
