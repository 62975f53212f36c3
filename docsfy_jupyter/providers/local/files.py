"""Reading a checkout: regular tracked files only, bounded, secrets left out."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlsplit

from docsfy_jupyter.models import TrackedFile

MAX_BYTES = 2_000_000
_SECRET_NAME = re.compile(
    r"(^\.env(\..*)?$)|(\.(pem|key|p12|pfx|jks|keystore|kdbx|asc|ppk)$)|(^id_(rsa|dsa|ecdsa|ed25519))"
    r"|(^\.?(netrc|pypirc|npmrc|htpasswd|git-credentials|pgpass)$)|(^(credentials|secrets?)(\.(json|ya?ml|toml|ini|cfg|txt))?$)",
    re.IGNORECASE,
)
_EXAMPLE_NAME = re.compile(r"(^|[._-])(example|sample|template|dist|defaults?)($|[._-])", re.IGNORECASE)
_SECRET_TEXT = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\b(AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{30,}\b|\bgithub_pat_[A-Za-z0-9_]{40,}\b"
    r"|\bglpat-[A-Za-z0-9_-]{18,}|\bsk-[A-Za-z0-9_-]{24,}|\bxox[abprs]-[A-Za-z0-9-]{12,}|\bAIza[0-9A-Za-z_-]{35}\b"
)
SECRET_WORD = re.compile(r"(password|passwd|secret|token|api_?key|credential|private_?key)", re.IGNORECASE)


def is_secret(path: str) -> bool:
    """Say whether a path names a file that usually holds secrets; ``.env.example`` and the like do not."""
    name = PurePosixPath(path).name
    return bool(_SECRET_NAME.search(name)) and not is_env_example(path)


def is_env_example(path: str) -> bool:
    """Say whether a path is a sample of an environment file, whose keys are documentation."""
    name = PurePosixPath(path).name
    return ".env" in name.lower() and bool(_EXAMPLE_NAME.search(name.lower().replace(".env", "")))


def redact(text: str) -> str:
    """Replace what looks like a key or token."""
    return _SECRET_TEXT.sub("[secret left out]", text)


class Checkout:
    """The readable files of a clone.

    Parameters
    ----------
    root : Path
        The clone.
    files : sequence of TrackedFile
        Every tracked file.
    """

    def __init__(self, root: Path, files: Sequence[TrackedFile]) -> None:
        self.root = root.resolve()
        self.files = {f.path: f for f in sorted(files, key=lambda f: f.path) if f.regular and not is_secret(f.path)}

    def __contains__(self, path: object) -> bool:
        return path in self.files

    def read(self, path: str, limit: int = MAX_BYTES) -> bytes | None:
        """Return a file's bytes; None when it is not tracked, too large, unreadable or reached through a symlink."""
        tracked = self.files.get(path)
        if tracked is None:
            return None
        target = self.root / path
        try:
            if target.is_symlink() or target.resolve() != target or target.stat().st_size > limit:
                return None
            return target.read_bytes()
        except (OSError, ValueError):
            return None

    def text(self, path: str) -> str | None:
        """Return a file's text, undecodable bytes replaced."""
        raw = self.read(path)
        return None if raw is None else raw.decode("utf-8-sig", "replace").replace("\r\n", "\n")

    def python(self, path: str) -> str | None:
        """Return Python source, decoded as its encoding line says."""
        raw = self.read(path)
        if raw is None:
            return None
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
            return raw.decode(encoding, "replace").replace("\r\n", "\n").replace("\r", "\n")
        except (SyntaxError, LookupError):
            return raw.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n")


def source_url(repo_url: str, commit: str, path: str, line: int | None = None, end: int | None = None) -> str | None:
    """Return the address of a file on its hosting site; None where the site is not a known one."""
    match = re.match(r"^(?:ssh://)?git@([^:/]+)[:/](.+)$", repo_url)
    if match:
        host, where = match.group(1), match.group(2)
    else:
        try:
            parts = urlsplit(repo_url)
            host, where = (parts.hostname or "") if parts.scheme in {"http", "https", "ssh"} else "", parts.path
        except ValueError:
            return None
    base = f"https://{host}/{quote(where.strip('/').removesuffix('.git'))}"
    name = quote(path.encode("utf-8", "surrogateescape"))
    span = "" if line is None else f"#L{line}" + (f"-L{end}" if end and end != line else "")
    if host == "github.com":
        return f"{base}/blob/{commit}/{name}{span}"
    if "gitlab" in host:
        return f"{base}/-/blob/{commit}/{name}{span.replace('-L', '-')}"
    if host == "bitbucket.org":
        return f"{base}/src/{commit}/{name}" + (f"#lines-{line}" if line else "")
    if host == "codeberg.org" or host.startswith(("gitea.", "forgejo.")):
        return f"{base}/src/commit/{commit}/{name}{span}"
    return None
