"""What can go wrong: each fault breaks something under a run in progress, and repairs what only a person would.

A fault takes the field, the dice of its moment and the row of the run, and returns when whoever is left can go on.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import psutil
from batching import COMMAND, descendants, told
from field import MODELS, Field
from invariants import cached_pages, published, variant_folder
from surroundings import fill

Row = dict[str, Any]
Fault = Callable[[Field, random.Random, Row], None]


def nothing(field: Field, dice: random.Random, row: Row) -> None:
    """All is well."""


def kill_server(field: Field, dice: random.Random, row: Row) -> None:
    """``kill -9`` of the server; its children die without it."""
    field.kill()
    field.release()
    field.start()


def tear_log(field: Field, dice: random.Random, row: Row) -> None:
    """``kill -9`` of the server, and the end of the database's log is lost or goes bad; the server says so."""
    field.kill()
    field.release()
    log = field.data_dir / "docsfy.duckdb.wal"
    if log.exists() and log.stat().st_size > 400:
        content = bytearray(log.read_bytes())
        place = len(content) - dice.randrange(1, 300)
        content = content[:place] if dice.random() < 0.5 else content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]
        log.write_bytes(content)
    _start_with_losses(field)


def damage_database(field: Field, dice: random.Random, row: Row) -> None:
    """``kill -9`` of the server, and the database itself has lost its end; the server says so and keeps what is left of it."""
    field.kill()
    field.release()
    database = field.data_dir / "docsfy.duckdb"
    content = database.read_bytes()
    database.write_bytes(content[: dice.randrange(1, len(content))])
    _start_with_losses(field)
    for aside in field.data_dir.glob("*.corrupt-*"):  # a person has looked at them; the disk is small
        aside.unlink()


def _start_with_losses(field: Field) -> None:
    """Start; whatever is gone has been said."""
    known = set(field.promises.accepted)
    field.start()
    runs = field.server.call("GET", "api/runs?limit=1000").json()["runs"]
    kept = {run["generation_id"] for run in runs}
    recovered = {run["generation_id"]: run["outcome"] for run in runs}
    told = [line for line in field.server.log.read_text().splitlines() if "docsfy_jupyter:" in line and ("lost" in line or "damaged" in line)]
    changed = {run for run, outcome in field.promises.outcomes.items() if recovered.get(run) != outcome}
    if known - kept or changed:
        assert told, "changes were lost in silence"
        field.promises.forget(kept - changed)
        field.promises.sites.clear()


def kill_program(field: Field, dice: random.Random, row: Row) -> None:
    """``kill -9`` of the program that writes a page or the plan."""
    _signal_child(field, dice, row, signal.SIGKILL)
    field.release()


def stop_program(field: Field, dice: random.Random, row: Row) -> None:
    """SIGSTOP of a program; an abort ends it all the same."""
    _signal_child(field, dice, row, signal.SIGSTOP)
    field.abort(row)
    field.release()


def stop_program_for_long(field: Field, dice: random.Random, row: Row) -> None:
    """SIGSTOP of a program whose time then is up."""
    field.abort(row)
    field.hold("every")
    again = field.begin(row["ai_provider"], model=row["ai_model"], ai_cli_timeout=0.02)
    _signal_child(field, dice, again, signal.SIGSTOP)
    field.release()


def _signal_child(field: Field, dice: random.Random, row: Row, number: int) -> None:
    word = "fake_provider.py" if row["ai_provider"] == "fake" else str(field.agents.bin)
    if field.await_child(word, row) is not None:
        with suppress(psutil.NoSuchProcess, IndexError):
            dice.choice(field.children(word)).send_signal(number)


def kill_git(field: Field, dice: random.Random, row: Row) -> None:
    """``kill -9`` of a git that waits for a host which never answers."""
    silent = field.begin("fake", name="silent", model="pages=1", repo_url=field.silent_host)
    word = dice.choice(["ls-remote", "git remote-http", "git-remote-http"])
    child = field.await_child(word, silent)
    if child is not None:
        child.kill()
    ended = field.until(silent, lambda now: False)
    assert ended["status"] == "error", ended
    field.release()


def abort(field: Field, dice: random.Random, row: Row) -> None:
    """A person aborts."""
    time.sleep(dice.uniform(0, 0.5))
    field.abort(row)
    field.release()


def stop_server(field: Field, dice: random.Random, row: Row) -> None:
    """The server's machine sleeps for a moment."""
    field.server.process.send_signal(signal.SIGSTOP)
    time.sleep(dice.uniform(0.1, 1.0))
    field.server.process.send_signal(signal.SIGCONT)
    field.release()


def terminate_server(field: Field, dice: random.Random, row: Row) -> None:
    """The server is stopped as one should, and started again."""
    field.server.stop()
    field.release()
    field.start()


def kill_watcher(field: Field, dice: random.Random, row: Row) -> None:
    """``kill -9`` of the process that would clean up after the server."""
    for watcher in _watchers(field):
        watcher.kill()
    field.release()


def stop_watcher(field: Field, dice: random.Random, row: Row) -> None:
    """SIGSTOP of the process that would clean up after the server, and ``kill -9`` of that; the next server cleans up."""
    for watcher in _watchers(field):
        watcher.suspend()
    field.kill()
    field.start()
    field.release()


def _watchers(field: Field) -> list[psutil.Process]:
    found = []
    for child in psutil.Process(field.server.process.pid).children():
        with suppress(psutil.NoSuchProcess):  # another child has ended meanwhile; a zombie counts as one, too
            if any("watcher.py" in part for part in child.cmdline()):
                found.append(child)
    return found


def fill_disk(field: Field, dice: random.Random, row: Row) -> None:
    """The disk fills up under the run; later there is room again."""
    if not field.mounted:
        limit_files(field, dice, row)
        return
    filler = fill(field.data_dir)
    field.release()
    if dice.random() < 0.5:
        field.abort(row)
    field.until(row, lambda now: False)
    filler.unlink()
    field.server.wait("health", lambda answer: answer.get("status") == "ok", 60)


def limit_files(field: Field, dice: random.Random, row: Row) -> None:
    """The server may write no longer files: no database grows, and no page of any length is kept."""
    server = psutil.Process(field.server.process.pid)
    server.rlimit(psutil.RLIMIT_FSIZE, (8, resource_unlimited()))
    field.release()
    field.until(row, lambda now: False)
    server.rlimit(psutil.RLIMIT_FSIZE, (resource_unlimited(), resource_unlimited()))
    field.server.wait("health", lambda answer: answer.get("status") == "ok", 60)


def resource_unlimited() -> int:
    """Return what stands for no limit."""
    return int(psutil.RLIM_INFINITY)


def break_database(field: Field, dice: random.Random, row: Row) -> None:
    """DuckDB gives up the database: at once, or in the checkpoint after the next commit."""
    url = f"{field.server.url}breaking/{dice.choice(['now', 'next'])}"
    assert "fatal" in httpx.post(url, trust_env=False, timeout=60).raise_for_status().json()["said"].lower()
    field.release()


def jump_clock(field: Field, dice: random.Random, row: Row) -> None:
    """The wall clock of the server jumps, by minutes or by years, and later back."""
    for offset in (dice.choice(["+3600s", "-3600s", "+400d", "-4000d", "+90s"]), "+0"):
        aside = field.clock.with_suffix(".new")
        aside.write_text(offset)
        os.replace(aside, field.clock)
        time.sleep(dice.uniform(1.1, 1.5))  # it looks at the file once a second
        field.release()


def damage_cache(field: Field, dice: random.Random, row: Row) -> None:
    """A page in the cache, or what is known of it, is cut short, replaced or gone; it counts for nothing any more."""
    field.release()
    field.until(row, lambda now: False)
    folder = variant_folder(field.data_dir, row)
    found = sorted([*(folder / "cache").glob("*"), *(folder / "written").glob("*")])
    for path in dice.sample(found, min(3, len(found))):
        harm = dice.choice(["cut", "replaced", "empty", "gone"])
        content = path.read_bytes()
        if harm == "gone":
            path.unlink()
        else:
            path.write_bytes({"cut": content[: len(content) // 2], "replaced": b"# Other\n\xff", "empty": b""}[harm])
    row = field.row(row["generation_id"])
    missing = field.missing(row)
    field.calls()  # of the run before
    again = field.until(field.begin(row["ai_provider"], model=row["ai_model"]), lambda now: False)
    assert (again["status"], again["page_count"] > 0) == ("ready", True), again
    field.expect_calls(row["ai_provider"], missing)
    assert len(cached_pages(folder)) == again["page_count"]
    site = published(folder)
    assert site is not None
    assert not any("Other" in page.read_text("utf-8") for page in site.glob("*.html"))


def kill_batch(field: Field, dice: random.Random, row: Row) -> None:
    """``kill -9`` of papermill, or of the kernel of a batch; the runs of the batch go on."""
    variants = [{"repo": str(field.repo), "branch": "main", "name": "demo", "provider": row["ai_provider"], "model": row["ai_model"]}]
    file = field.folder / "batch.yaml"
    file.write_text(f"variants: {variants!r}\n".replace("'", '"'))
    where = ("--url", field.server.url, "--token", field.server.token, "--output", str(field.folder / "batch-runs"))
    environment = {**os.environ, "TMPDIR": str(field.temporary)}
    with (field.folder / "batch.log").open("w") as log:
        command = subprocess.Popen([*COMMAND, str(file), *where, "--json"], stdout=log, stderr=log, cwd="/", env=environment, text=True)
        try:
            while not told(command):  # before that a kernel may still be given a second chance
                assert command.poll() is None, (field.folder / "batch.log").read_text()
                time.sleep(0.05)
            below = psutil.Process(command.pid).children(recursive=True)
            time.sleep(dice.uniform(0, 0.5))
            descendants(command, dice.choice(["papermill", "ipykernel"]))[0].kill()
            assert command.wait(60) == 1, (field.folder / "batch.log").read_text()
        finally:
            command.kill()
            command.wait()
    _gone, left = psutil.wait_procs(below, timeout=30)
    assert not left, left
    assert field.row(row["generation_id"])["status"] == "generating", "the batch's end has ended a run"
    field.release()


ANY = tuple(MODELS)
HELD = ("fake", "claude", "gemini", "cursor")
# fault → the providers under which it can happen: those whose programs can be held, or all
FAULTS: dict[Fault, tuple[str, ...]] = {
    nothing: ANY,
    abort: ANY,
    kill_server: ANY,
    kill_program: HELD,
    kill_git: ANY,
    kill_batch: HELD,
    kill_watcher: ANY,
    stop_watcher: ANY,
    stop_program: HELD,
    stop_program_for_long: ("claude", "gemini", "cursor"),
    stop_server: ANY,
    terminate_server: ANY,
    fill_disk: HELD,
    limit_files: HELD,
    break_database: ANY,
    jump_clock: ANY,
    damage_cache: ANY,
    tear_log: ANY,
    damage_database: ANY,
}
# these need a run that lasts
HOLDING = (kill_batch, kill_program, stop_program)
