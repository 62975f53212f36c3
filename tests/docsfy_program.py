"""docsfy itself, from PyPI, in an environment of its own: it needs a newer Python than we do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from companions import cached, run_or_miss

VERSION = "1.9.3"
NEEDS = (3, 12)
# what its command line imports; its server needs five times as much, and a minute to install
CLI_IMPORTS = ("httpx", "pydantic", "python-simple-logger", "tomli-w", "typer", "websockets")
_ASKED = f"import ensurepip, sys, venv; assert sys.version_info >= {NEEDS}; print('%d.%d' % sys.version_info[:2])"


def command_line() -> Path:
    """Return the program ``docsfy``, without what only its server needs; a test without a Python for it is skipped."""
    return _environment("cli") / "docsfy"


def server() -> Path:
    """Return the program ``docsfy-server``."""
    return _environment("server") / "docsfy-server"


def python_version(program: Path) -> tuple[int, ...]:
    """Return the version of the Python that a program of the environment runs on, such as (3, 13)."""
    return tuple(int(part) for part in (_version(program.with_name("python")) or "").split("."))


def _environment(part: str) -> Path:
    return cached(f"docsfy-{VERSION}-{part}", partial(_install, part)) / "venv" / "bin"


def _install(part: str, folder: Path) -> None:
    run_or_miss([str(_python()), "-m", "venv", "--clear", str(folder / "venv")], folder)
    pip = [str(folder / "venv" / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip += ["--only-binary", ":all:", "--no-binary", "docsfy"]  # docsfy alone has no wheel
    if part == "server":
        run_or_miss([*pip, f"docsfy=={VERSION}"], folder, seconds=900)
        return
    run_or_miss([*pip, *CLI_IMPORTS], folder)
    run_or_miss([*pip, "--no-deps", f"docsfy=={VERSION}"], folder)


def _python() -> Path:
    """Return the newest Python that docsfy runs on; to have one is nobody's duty, so that CI skips too."""
    found = next((candidate for candidate in _candidates() if _version(candidate)), None)
    if found is None:
        pytest.skip(f"docsfy needs Python {'.'.join(map(str, NEEDS))} or newer, and no such Python is here")
    return found


def _candidates() -> Iterator[Path]:
    on_path = (shutil.which(f"python3.{minor}") for minor in (14, 13, 12))
    yield from (Path(found) for found in on_path if found)  # a shim of pyenv may be there and not work
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for minor in (14, 13, 12):
        yield from sorted(versions.glob(f"3.{minor}.*/bin/python"), reverse=True)
    yield Path(sys.executable)


def _version(python: Path) -> str | None:
    """Return a Python's version; None when it does not work or is too old."""
    done = subprocess.run([python, "-c", _ASKED], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


if __name__ == "__main__":  # for the benchmarks: prints the server's program, or says why there is none
    try:
        print(server())
    except (pytest.skip.Exception, pytest.fail.Exception) as reason:
        sys.exit(str(reason))
