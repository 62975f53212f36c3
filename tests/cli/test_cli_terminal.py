"""What a terminal shows: its width, colours, and titles that are long or odd."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from commands import heeds_interrupts
from servers import Server
from tqdm.utils import disp_len

COMMAND = str(Path(sys.executable).with_name("jupyter-docsfy"))
TITLES = {"long": "a title " * 15, "cjk": "日本語の見出し" * 8}


def in_terminal(columns: int, *args: str, **env: str) -> str:
    """Run a command in a terminal of that width; returns all that it wrote there."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environ = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS", "TERM")}
    process = subprocess.Popen([COMMAND, *args], stdin=slave, stdout=slave, stderr=slave, env={**environ, "TERM": "xterm", **env})
    os.close(slave)
    written = read_from(master)
    os.close(master)
    assert process.wait(60) == 0, written[-2000:]
    return written.decode("utf-8")


def read_from(master: int, until: bytes | None = None) -> bytes:
    """Return what a terminal is written, up to its end or until something is there."""
    written = b""
    while until is None or until not in written:
        try:
            chunk = os.read(master, 65536)
        except OSError:  # Linux says so when the last writer is gone
            break
        if not chunk:
            break
        written += chunk
    return written


def answered(keys: bytes, *args: str) -> tuple[int, str]:
    """Press keys at a command's question, in a terminal of its own; returns the exit code and what followed the question."""
    master, slave = pty.openpty()

    def in_its_terminal() -> None:
        heeds_interrupts()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that Ctrl-C is a signal

    process = subprocess.Popen([COMMAND, *args], stdin=slave, stdout=slave, stderr=slave, start_new_session=True, preexec_fn=in_its_terminal)
    os.close(slave)
    asked = read_from(master, until=b" [y/N] ")
    assert asked.endswith(b" [y/N] "), asked
    os.write(master, keys)
    rest = read_from(master)
    os.close(master)
    return process.wait(60), rest.decode("utf-8")


@pytest.mark.parametrize(("keys", "code", "said"), [(b"\x03", 130, "Interrupted."), (b"\x04", 2, "Error:"), (b"\n", 2, "Error:"), (b"n\n", 2, "Error:")])
def test_a_question_that_is_not_answered_yes_says_on_a_line_of_its_own_that_nothing_was_done(
    shared_server: Server, shared_repo: Path, monkeypatch: pytest.MonkeyPatch, keys: bytes, code: int, said: str
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    where = ("--url", shared_server.url, "--token", shared_server.token)
    common = ("--provider", "fake", "--model", "pages=1", "--name", "questioned")
    in_terminal(80, "generate", str(shared_repo), *common, *where)
    for nothing, *command in (
        ("Nothing was deleted.", "delete", "questioned"),
        ("Nothing was started.", "generate", str(shared_repo), *common, "--force"),
    ):
        found, rest = answered(keys, *command, *where)
        assert (found, rest.splitlines()[-1]) == (code, f"{said} {nothing}"), rest
        assert len(rest.splitlines()) == 2  # what the terminal shows of the keys is the rest of the question's line
    assert "questioned · fake/pages=1 · ready" in in_terminal(80, "status", "questioned", *where, NO_COLOR="1")


@pytest.mark.parametrize(("columns", "kind"), [(80, "cjk"), (40, "cjk"), (40, "long")])
def test_the_bar_keeps_to_one_line_and_titles_are_whole(
    shared_server: Server, shared_repo: Path, columns: int, kind: str
) -> None:
    model = f"pages=2,sleep=0.3,title={TITLES[kind]}"
    where = ("--url", shared_server.url, "--token", shared_server.token)
    text = in_terminal(columns, "generate", str(shared_repo), *where, "--provider", "fake", "--model", model, "--name", f"t{columns}{kind}")
    bars = [part for part in re.split(r"[\r\n]+|\x1b\[A", text) if "|" in part and "%" in part]
    assert bars, text
    assert max(map(disp_len, bars)) <= columns
    assert all(f" of 2: {TITLES[kind].strip()} {number}\r\n" in text for number in (1, 2))
    assert "\x1b[32m✓\x1b[0m Documentation ready!" in text
    assert f"t{columns}{kind} · fake/" in text


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_can_be_had_without(shared_server: Server, env: dict[str, str]) -> None:
    where = ("--url", shared_server.url, "--token", shared_server.token)
    assert "\x1b[3" in in_terminal(80, "doctor", *where)
    assert "\x1b[3" not in in_terminal(80, "doctor", *where, **env)


def test_doctor_fits_a_narrow_terminal(shared_server: Server) -> None:
    text = in_terminal(40, "doctor", "--url", shared_server.url, "--token", shared_server.token, NO_COLOR="1")
    lines = [line for line in text.splitlines() if all(len(word) < 30 for word in line.split())]  # paths stay whole
    assert len(lines) > 15
    assert max(map(disp_len, lines)) <= 40
    assert "ok   git: git version" in text


def test_an_encoding_without_our_signs_ends_no_command(shared_server: Server) -> None:
    command = [COMMAND, "doctor", "--url", shared_server.url, "--token", "wrong"]
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    result = subprocess.run(command, env=env, capture_output=True, timeout=60)
    assert result.returncode == 1
    assert b"Traceback" not in result.stderr
    assert b"The token is not accepted" in result.stdout
