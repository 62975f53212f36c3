"""Programs of others that tests run: installed once into a cache folder that outlives the tests.

Where they cannot be installed a test is skipped and says why; where tests decide (CI) it fails.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import site
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest


def cached(name: str, install: Callable[[Path], None]) -> Path:
    """Return a folder of the cache, filled by the first who asks."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "docsfy-jupyter-tests" / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            install(folder)
            (folder / "complete").touch()
    return folder


def missing(reason: str) -> None:
    """Leave a test out, or fail where tests decide."""
    if os.environ.get("CI"):
        pytest.fail(f"A program that this test runs could not be installed: {reason}")
    pytest.skip(f"a program that this test runs could not be installed: {reason}")


def run_or_miss(command: Sequence[str], cwd: Path, seconds: float = 280) -> None:
    """Run a step of an installation."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        missing(f"{Path(command[0]).name} took more than {seconds:g} s")
    else:
        if done.returncode != 0:
            missing(f"{Path(command[0]).name}: {done.stderr.strip()[-300:]}")


def npm_programs(*packages: str, after: Sequence[str] = ()) -> Path:
    """Return the folder with the programs of npm packages, each with its version.

    Parameters
    ----------
    *packages : str
        ``name@version``. Their install scripts do not run: they would compile what nobody needs.
    after : sequence of str
        A script of the packages, relative to ``node_modules``, that node runs once.
    """

    def install(folder: Path) -> None:
        npm, node = shutil.which("npm"), shutil.which("node")
        if npm is None or node is None:
            missing("npm and node are not on the PATH")
            return
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        run_or_miss([npm, "install", "--prefix", str(folder), *quiet, *packages], folder)
        for script in after:
            run_or_miss([node, str(folder / "node_modules" / script)], folder)

    return cached("-".join(package.rpartition("@")[2] for package in packages), install) / "node_modules" / ".bin"


def environment(*requirements: str) -> Path:
    """Return the folder of programs of a Python environment of its own, on top of the one that runs the tests.

    Packages of its own do not reach the tests', whose packages (and this checkout) it has. Jupyter's configuration there is
    not found: enable extensions by name.
    """

    def install(folder: Path) -> None:
        run_or_miss([sys.executable, "-m", "venv", "--without-pip", str(folder)], folder)
        (packages,) = folder.glob("lib/python*/site-packages")
        below = [path for path in site.getsitepackages() if Path(path).is_dir()]
        (packages / "tests.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in below))
        pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "--disable-pip-version-check"]
        run_or_miss([*pip, "install", "--quiet", *requirements], folder)

    below = hashlib.sha256(f"{sys.prefix} {sys.version}".encode()).hexdigest()[:12]
    return cached("-".join([*requirements, below]), install) / "bin"
