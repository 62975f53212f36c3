"""The vendors' real programs, installed from npm into a cache folder that outlives the tests."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

PACKAGES = ("@anthropic-ai/claude-code@2.1.197", "@google/gemini-cli@0.61.0")


def vendor_bin() -> Path:
    """Return the folder with `claude` and `gemini`; without npm or network the test is skipped, in CI it fails."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "docsfy-jupyter-tests"
    folder = cache / "-".join(package.rpartition("@")[2] for package in PACKAGES)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            _install(folder)
            (folder / "complete").touch()
    return folder / "node_modules" / ".bin"


def _install(folder: Path) -> None:
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        _missing("npm and node are not on the PATH")
        return
    # install scripts are off: they would compile a terminal that nobody needs; claude's own only puts its program in place
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    place = folder / "node_modules" / "@anthropic-ai" / "claude-code" / "install.cjs"
    for command in ([npm, "install", "--prefix", str(folder), *quiet, *PACKAGES], [node, str(place)]):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=280, check=False)
        if done.returncode != 0:
            _missing(f"{Path(command[0]).name}: {done.stderr.strip()[-300:]}")


def _missing(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"The vendors' programs could not be installed: {reason}")
    pytest.skip(f"the vendors' programs could not be installed: {reason}")
