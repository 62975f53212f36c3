"""Fixtures: disks that are small, hosts that are silent, children that can be found again and that wait."""

from __future__ import annotations

import socket
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> str:
    """What the children of this test carry in their environment; `recording.alive` finds them by it."""
    text = uuid.uuid4().hex
    monkeypatch.setenv("XDG_DOCSFY_MARK", text)
    return text


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """While this file exists, the fake provider waits where it was told to; it is there at first."""
    path = tmp_path / "gate"
    path.touch()
    monkeypatch.setenv("XDG_DOCSFY_GATE", str(path))
    return path


@pytest.fixture
def silent_host() -> Iterator[str]:
    """The address of a git host that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/o/silent.git"


@pytest.fixture(scope="session")
def silent_hosts() -> Iterator[str]:
    """The same for the whole session."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/o/silent.git"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 8 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take every free byte of a file system; returns the file to remove."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(4096))
        except OSError:
            return filler
