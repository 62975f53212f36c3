"""What doctor looks at on this machine: configuration, environment, git, the data folder."""

from __future__ import annotations

import ast
import json
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from jupyter_core.paths import jupyter_config_path, jupyter_data_dir

from docsfy_jupyter.client.discovery import URL_VARIABLE, running_servers

_ENABLE = "Run `jupyter server extension enable docsfy_jupyter` and restart Jupyter."
_CONFIGURATIONS = ("jupyter_config", "jupyter_server_config", "jupyter_docsfy_jupyter_config")
_ROOM = 2 * 1024**3  # bytes; the largest clone that a server allows by default (DocsfyApp.max_clone_bytes)
_LITTLE = 200 * 1024**2  # bytes; a middle-sized repository with its pages and site


@dataclass(frozen=True)
class Finding:
    """One check: ``state`` is ``ok``, ``warn`` or ``fail``; ``advice`` says what to do."""

    state: str
    topic: str
    text: str
    advice: str = ""


def enabled_here() -> Finding:
    """Whether the Jupyter of this environment loads the extension: the first folder that says anything decides."""
    for folder in map(Path, jupyter_config_path()):
        said = [_says(path) for path in (folder / "jupyter_server_config.json", *_snippets(folder))]
        for enabled, path in said:
            if enabled is not None:
                state, advice = ("ok", "") if enabled else ("fail", _ENABLE)
                return Finding(state, "extension", f"{'enabled' if enabled else 'disabled'} in {path}", advice)
    return Finding("fail", "extension", "not enabled in any of this environment's configuration folders", _ENABLE)


def _snippets(folder: Path) -> list[Path]:
    return sorted((folder / "jupyter_server_config.d").glob("*.json"), reverse=True)


def _says(path: Path) -> tuple[bool | None, Path]:
    try:
        data: Any = json.loads(path.read_text("utf-8"))
        extensions = data.get("ServerApp", {}).get("jpserver_extensions", {})
        said = extensions.get("docsfy_jupyter") if isinstance(extensions, Mapping) else None
    except (OSError, ValueError, AttributeError):
        return None, path
    return (None if said is None else bool(said)), path


def configuration() -> Finding:
    """Whether Jupyter can read its configuration files: it passes over one with a fault, and over all that is set there."""
    read = 0
    for folder in map(Path, dict.fromkeys(jupyter_config_path())):
        for path in (*(folder / f"{name}{end}" for name in _CONFIGURATIONS for end in (".py", ".json")), *_snippets(folder)):
            try:
                text = path.read_text("utf-8")
                json.loads(text) if path.suffix == ".json" else ast.parse(text)
            except OSError:
                continue
            except (ValueError, SyntaxError) as error:
                line = getattr(error, "lineno", None)
                where = f"{path}, line {line}" if line else str(path)
                said = getattr(error, "msg", str(error))
                advice = "Jupyter passes over the whole file: mend that line and restart Jupyter."
                return Finding("fail", "configuration", f"{where}: {said}", advice)
            read += 1
    return Finding("ok", "configuration", f"Jupyter can read all its files here ({read})")


def kernel_environment() -> Finding:
    """Whether `connect()` finds its server without arguments from here."""
    if os.environ.get(URL_VARIABLE):
        return Finding("ok", "kernel", f"{URL_VARIABLE}={os.environ[URL_VARIABLE]}: connect() needs no arguments here")
    servers = running_servers()
    if not servers:
        return Finding("ok", "kernel", f"{URL_VARIABLE} is not set, and no Jupyter server of yours runs")
    names = ", ".join(str(server) for server in servers)
    advice = "" if len(servers) == 1 else "Name the one you mean: --url here, connect(url=…) in Python."
    return Finding("ok" if len(servers) == 1 else "warn", "kernel", f"{URL_VARIABLE} is not set; running: {names}", advice)


def git() -> Finding:
    """Whether git is there, and which."""
    program = shutil.which("git")
    if program is None:
        return Finding("fail", "git", "not found on PATH", "Install git, or add its folder to the PATH of the Jupyter server.")
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    if answer.returncode:
        return Finding("fail", "git", f"{program} does not run: {answer.stderr.strip()}", "Install git again.")
    return Finding("ok", "git", f"{answer.stdout.strip()} ({program})")


def data_folder_of(given: str | None) -> Path:
    """Return the data folder that is meant where no server tells its own: ``--data-dir``, else the default one."""
    return Path(given).expanduser().absolute() if given else Path(jupyter_data_dir()) / "docsfy_jupyter"


def data_folder(folder: Path) -> Iterator[Finding]:
    """Check the folder of the database: there, private, writable, on a disk with room; and who holds it."""
    yield _private_and_writable(folder)
    yield _disk(folder)
    yield _holder(folder)


def _private_and_writable(folder: Path) -> Finding:
    if not folder.exists():
        parent = _existing(folder)
        if os.access(parent, os.W_OK | os.X_OK):
            return Finding("ok", "data folder", f"{folder} is made at the first start")
        return Finding("fail", "data folder", f"{folder} cannot be made: {parent} is not writable", _elsewhere())
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return Finding("fail", "data folder", f"{folder} is not a folder that you can write to", _elsewhere())
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        return Finding("fail", "data folder", f"{folder} is open to other users (mode {mode:04o})", f"Run: chmod 700 '{folder}'")
    return Finding("ok", "data folder", f"{folder} is writable and yours alone (mode {mode:04o})")


def _elsewhere() -> str:
    return 'Correct its owner and mode, or set c.DocsfyApp.data_dir = "/another/folder" (here: --data-dir).'


def _existing(folder: Path) -> Path:
    return next(parent for parent in (folder, *folder.parents) if parent.exists())


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(_existing(folder)).free
    text = f"{free / 1024**3:.1f} GiB free for {folder}"
    if free >= _ROOM:
        return Finding("ok", "disk", text)
    advice = "Free some space, or set c.DocsfyApp.data_dir to a folder on another disk."
    return Finding("warn" if free >= _LITTLE else "fail", "disk", text, advice)


def _holder(folder: Path) -> Finding:
    """Say who uses the database, by what its lock file says; the lock itself is never tried, so that no server meets us."""
    try:
        pid, host = [*(folder / "docsfy.lock").read_text("utf-8").splitlines(), "", ""][:2]
    except (OSError, UnicodeDecodeError):
        return Finding("ok", "lock", "nobody has used the database yet")
    try:
        holder = psutil.Process(int(pid))
        who = f"PID {pid} on {host}: {holder.name()}, user {holder.username()}"
    except (ValueError, psutil.Error):
        return Finding("ok", "lock", "nobody uses the database now")
    return Finding("ok", "lock", f"last used by {who}, which runs")
