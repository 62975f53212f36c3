"""The command line as a process of its own, with a home of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from servers import FAKE

COMMAND = [str(Path(sys.executable).with_name("jupyter-docsfy"))]


def heeds_interrupts() -> None:
    """Undo what a shell does to the commands that it starts in the background: they, and all below them, ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def environment(home: Path) -> dict[str, str]:
    """Return the environment of a command: configuration and runtime folder below `home`, and the fake provider."""
    config = home / "config"
    config.mkdir(exist_ok=True)
    providers = {"DocsfyApp": {"command_providers": {"fake": [sys.executable, str(FAKE)]}}}
    (config / "jupyter_server_config.json").write_text(json.dumps(providers))
    return {**os.environ, "JUPYTER_RUNTIME_DIR": str(home / "runtime"), "JUPYTER_CONFIG_DIR": str(config)}


def run(home: Path, *args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with a private server's data below `home` unless it names another."""
    command = [*COMMAND, *args]
    if "--url" not in args or args[0] == "doctor":
        command += ["--data-dir", str(home / "data")]
    return subprocess.run(
        command, env=environment(home), capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, cwd=cwd
    )
