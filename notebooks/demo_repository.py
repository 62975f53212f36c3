"""What both notebooks need beside docsfy_jupyter itself: a git repository of the bundled project, without any network."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote, urlsplit

from docsfy_jupyter import DocsfyClient, Variant

PROJECT = Path(__file__).parent / "demo_project"
SUMMER = '''"""What is baked from June to August."""

from __future__ import annotations

from datetime import timedelta

from bakery.dough import Formula
from bakery.recipes import Recipe, shelf


def summer_shelf() -> dict[str, Recipe]:
    """Return the breads of every day, and those for warm evenings."""
    flat = Formula({"wheat": 100}, {"water": 75, "oil": 5, "salt": 2.2, "yeast": 1})
    return {**shelf(), "focaccia": Recipe("focaccia", flat, 800, timedelta(hours=5), timedelta(minutes=25))}
'''
# One author, one date, no configuration of the machine's: the same files are the same commits, whoever makes them.
_WHO = {"NAME": "The bakery", "EMAIL": "bakery@example.invalid", "DATE": "2026-01-01T04:00:00+00:00"}
_IDENTITY = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in _WHO.items()}
_NO_CONFIG = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def make_repository() -> Path:
    """Return a git repository of the bundled project, with the branches ``main`` and ``summer``.

    It stands in a temporary folder of this user alone, always the same one: a variant belongs to one repository, so that a
    notebook that is run again finds its variants again.

    Raises
    ------
    RuntimeError
        There is no git, or the temporary folder belongs to somebody else.
    """
    parent = _own_folder()
    fresh, lasting = Path(tempfile.mkdtemp(prefix="making-", dir=parent)), parent / "bakery"
    try:
        _fill(fresh)
        if not (lasting / ".git").is_dir() or _branches(lasting) != _branches(fresh):
            shutil.rmtree(lasting, ignore_errors=True)
            fresh.rename(lasting)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return lasting


def site_path(client: DocsfyClient, variant: Variant) -> str:
    """Return the path of a site on the server that this page comes from, so that the link works behind any proxy or hub."""
    parts = (variant.name, variant.branch, variant.ai_provider, variant.ai_model)
    return f"{urlsplit(client.url).path}docs/{'/'.join(quote(part, safe='') for part in parts)}/"


def why_not(repository: str) -> str | None:
    """Say why a repository cannot be documented now; None where nothing speaks against trying."""
    if not repository:
        return "REPOSITORY is empty, so nothing was done. Set it in the first cell to document your own."
    host = urlsplit(repository).hostname if "://" in repository else None
    behind_proxy = any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"))
    if host is None or behind_proxy or _answers(host):
        return None
    return f"{host} cannot be reached from here, so {repository} was left alone. A folder on this machine works without a network."


def _answers(host: str) -> bool:
    try:
        socket.create_connection((host, 443), timeout=5).close()
    except OSError:
        return False
    return True


def _own_folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"docsfy-demo-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise RuntimeError(f"{folder} belongs to somebody else; set TMPDIR to a folder of your own.")
    return folder


def _fill(folder: Path) -> None:
    shutil.copytree(PROJECT, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    _git(folder, "init", "--quiet", "--template=", "--initial-branch=main")
    _commit(folder, "A bakery that plans its nights")
    _git(folder, "checkout", "--quiet", "-b", "summer")
    (folder / "bakery" / "summer.py").write_text(SUMMER, "utf-8")
    _commit(folder, "Breads for warm evenings")
    _git(folder, "checkout", "--quiet", "main")


def _commit(folder: Path, message: str) -> None:
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--message", message)


def _branches(folder: Path) -> str:
    return _git(folder, "for-each-ref", "--format=%(refname) %(objectname)")


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, env=_environment(), capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise RuntimeError("There is no git on this machine; docsfy_jupyter needs it to read repositories.") from None
    if done.returncode:
        raise RuntimeError(f"git {arguments[0]} failed: {done.stderr.strip()}")
    return done.stdout


def _environment() -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**inherited, **_IDENTITY, **_NO_CONFIG}
