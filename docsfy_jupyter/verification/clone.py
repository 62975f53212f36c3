"""The clone as a place to look things up in: words, literal texts, paths, commands, what it depends on."""

from __future__ import annotations

import json
import os
import re
import sys
import sysconfig
import time
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from docsfy_jupyter.verification.jobs import CheckJob, OutOfTime
from docsfy_jupyter.verification.python_names import PythonNames

_LARGEST = 8_000_000  # bytes of a file that is read
_NOT_A_WORD = bytes(
    code if (chr(code).isalnum() and code < 128) or code == 95 or code >= 128 else 32 for code in range(256)
)  # what ends a word becomes a space: split() is then the fastest reader of words
_IMPORT = re.compile(rb"^[ \t]*(?:from|import)[ \t]+([A-Za-z_]\w*)", re.MULTILINE)
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_SCRIPT = re.compile(r"^[ \t'\"]*+([\w.-]++)[ \t]*+=[ \t]*+[\w.]++:\w+", re.MULTILINE)
_SKIPPED_LIBRARY = {"site-packages", "dist-packages", "test", "idlelib", "lib2to3", "ensurepip", "__pycache__"}


class Clone:
    """A clone within a time budget.

    Parameters
    ----------
    job : CheckJob
        Where it is and what git tracks.
    """

    def __init__(self, job: CheckJob) -> None:
        self._root = Path(job.root)
        self._end = time.process_time() + job.seconds
        self.files = job.files
        self.python = PythonNames(job.files, self.text)
        self.paths = {*job.files, *(str(parent) for path in job.files for parent in PurePosixPath(path).parents)}
        self._tails: dict[str, list[str]] = {}
        for path in self.paths:
            self._tails.setdefault(path.rpartition("/")[2], []).append(path)
        self._ends: dict[str, set[str]] = {}  # of those last parts that were asked for: every end of the paths to them
        self.imported: set[str] = set()

    def look_at_the_clock(self) -> None:
        """Raise `OutOfTime` when the budget is used up."""
        if time.process_time() > self._end:
            raise OutOfTime

    def read(self, path: str) -> bytes:
        """Return a file's bytes; nothing for what is large, binary, a link or gone.

        Raises
        ------
        OutOfTime
            The budget is used up.
        """
        self.look_at_the_clock()
        place = self._root / path
        try:
            if place.is_symlink() or place.stat().st_size > _LARGEST:
                return b""
            data = place.read_bytes()
        except (OSError, ValueError):
            return b""
        return b"" if b"\0" in data[:8192] else data

    def text(self, path: str) -> str | None:
        """Return a file's text, None where there is none to read."""
        data = self.read(path)
        return data.decode("utf-8", "replace") if data else None

    def words(self, wanted: set[str]) -> set[str]:
        """Return which words the clone has, in its texts or in its paths; notes on the way what is imported."""
        left = {word.encode() for word in wanted}
        found = left.intersection(" ".join(self.paths).encode("utf-8", "surrogateescape").translate(_NOT_A_WORD).split())
        for path in self.files:
            data = self.read(path)
            found |= left.intersection(data.translate(_NOT_A_WORD).split())
            if path.endswith((".py", ".pyi")):
                self.imported.update(name.decode() for name in _IMPORT.findall(data))
        return {word.decode() for word in found}

    def literals(self, wanted: Iterable[str]) -> set[str]:
        """Return which texts stand somewhere in the clone as they are."""
        left = {text: text.encode() for text in wanted}
        found: set[str] = set()
        for path in self.files if left else ():
            data = self.read(path)
            here = [text for text, raw in left.items() if raw in data]
            found.update(here)
            for text in here:
                del left[text]
        return found

    def types(self, wanted: set[str]) -> set[str]:
        """Return which names the clone defines as types that inherit from nothing, in whatever language."""
        if not wanted:
            return set()
        one_of = "|".join(map(re.escape, sorted(wanted))).encode()
        defined = re.compile(rb"\b(?:class|struct|interface|trait|enum)[ \t]+(" + one_of + rb")\b[ \t]*(\(\s*\)|:|\{)?")
        plain, heirs = set[bytes](), set[bytes]()
        for path in self.files:
            for name, end in defined.findall(self.read(path)):
                (plain if end else heirs).add(name)
        return {name.decode() for name in plain - heirs}

    def has_path(self, path: str) -> bool:
        """Say whether a path is there, from the root or from any folder."""
        path = re.sub(r"^(\./|\.\./)+", "", path).rstrip("/")
        if path in self.paths:
            return True
        tail = path.rpartition("/")[2]
        if tail not in self._tails:
            return False
        if tail not in self._ends:
            self.look_at_the_clock()
            self._ends[tail] = {end for known in self._tails[tail] for end in _ends(known)}
        return path in self._ends[tail]

    def commands(self) -> set[str]:
        """Return the commands that the project installs, also as separate words: ``jupyter-x`` is ``jupyter x``."""
        names: set[str] = {f"python -m {root}" for root in self.python.roots}
        for path in self.files:
            if PurePosixPath(path).name == "pyproject.toml":
                data = _toml(self.text(path))
                tables = (data.get("project"), _table(data.get("tool")).get("poetry"))
                names |= {name for table in tables for name in _table(_table(table).get("scripts"))}
            elif PurePosixPath(path).name == "package.json":
                binaries = _json(self.text(path)).get("bin")
                names |= set(binaries) if isinstance(binaries, dict) else set()
            elif PurePosixPath(path).name in {"setup.py", "setup.cfg"}:
                names |= set(_SCRIPT.findall(self.text(path) or ""))
        return names | {name.replace("-", " ", 1) for name in names}

    def dependencies(self) -> set[str]:
        """Return the names of what the project declares or imports, in lower case, its own left out; after `words`."""
        names = {name for name in self.imported if name not in self.python.roots}
        for path in self.files:
            name = PurePosixPath(path).name
            if name == "pyproject.toml":
                project = _table(_toml(self.text(path)).get("project"))
                extras = _table(project.get("optional-dependencies")).values()
                names |= _required([*_list(project.get("dependencies")), *(one for extra in extras for one in _list(extra))])
            elif name == "package.json":
                data = _json(self.text(path))
                names |= {*_table(data.get("dependencies")), *_table(data.get("devDependencies"))}
            elif re.fullmatch(r".*requirements.*\.txt", name):
                names |= _required((self.text(path) or "").splitlines())
        return {name.lower() for name in names}

    def known_elsewhere(self, wanted: set[str]) -> set[str]:
        """Return which words the standard library, or an installed package that the clone imports, has."""
        left = {word.encode() for word in wanted}
        found: set[bytes] = set()
        for path in _library(self.imported - self.python.roots):
            self.look_at_the_clock()
            with suppress(OSError):
                found |= left.intersection(path.read_bytes().translate(_NOT_A_WORD).split())
        return {word.decode() for word in found}


def _ends(path: str) -> Iterator[str]:
    """Yield a path without its first folder, without its first two, and so on."""
    while "/" in path:
        path = path.partition("/")[2]
        yield path


def _library(imported: set[str]) -> Iterator[Path]:
    """Yield the Python files of the standard library and of those packages, as far as they are installed here."""
    folders = [Path(sysconfig.get_path("stdlib"))]
    places = {Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("platlib"))}
    folders += [place / name for place in places for name in sorted(imported) if name not in sys.stdlib_module_names]
    yield from (place / f"{name}.py" for place in places for name in sorted(imported) if (place / f"{name}.py").is_file())
    for folder in folders:
        for here, inner, names in os.walk(folder):
            inner[:] = [name for name in inner if name not in _SKIPPED_LIBRARY]
            yield from (Path(here, name) for name in names if name.endswith((".py", ".pyi")))


def _required(lines: Iterable[Any]) -> set[str]:
    names = {found[1] for line in lines if isinstance(line, str) and (found := _REQUIREMENT.match(line))}
    return names | {name.replace("-", "_") for name in names}


def _toml(text: str | None) -> dict[str, Any]:
    try:
        return tomllib.loads(text or "")
    except (ValueError, RecursionError):
        return {}


def _json(text: str | None) -> dict[str, Any]:
    try:
        return _table(json.loads(text or "{}"))
    except (ValueError, RecursionError):
        return {}


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
