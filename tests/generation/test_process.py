"""Child processes die whole, their pipes never block, and failures to start say why."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from docsfy_jupyter.errors import ChildError, ChildNotStarted, ChildOutputTooLarge, ChildTimeout
from docsfy_jupyter.generation.process import Processes, child_environment
from docsfy_jupyter.generation.secrets import masked, secrets_of

ENV = child_environment()
MIB = 1024 * 1024


async def until(condition: Callable[[], bool], limit: float = 10.0) -> None:
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.02)


def gone(pid: int) -> bool:
    """Dead; an orphan that init has not collected yet counts, our own child must not be a zombie."""
    try:
        process = psutil.Process(pid)
        return process.status() == psutil.STATUS_ZOMBIE and process.ppid() != os.getpid()
    except psutil.NoSuchProcess:
        return True


def pid_in(path: Path) -> int:
    return int(path.read_text())


def written(path: Path) -> bool:
    return path.exists() and path.read_text().endswith("\n")


async def cancelled(task: asyncio.Task[object]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_prompt_goes_in_and_output_and_errors_come_out(processes: Processes) -> None:
    lines: list[str] = []
    result = await processes.run(
        ["sh", "-c", "cat; echo one >&2; echo two >&2; exit 3"], stdin=b"hello", env=ENV, on_stderr=lines.append
    )
    assert (result.returncode, result.stdout, result.stderr, lines) == (3, b"hello", "one\ntwo\n", ["one", "two"])


@pytest.mark.case("A01")
async def test_cancelling_kills_the_child(processes: Processes, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    task = asyncio.create_task(processes.run(["sh", "-c", f"echo $$ > {pid}; exec sleep 300"], env=ENV))
    await until(lambda: written(pid))
    await cancelled(task)
    assert not psutil.pid_exists(pid_in(pid))


@pytest.mark.case("A02")
async def test_cancelling_kills_grandchildren_and_daemons_that_left_the_group(processes: Processes, tmp_path: Path) -> None:
    grandchild, daemon = tmp_path / "gc", tmp_path / "daemon"
    script = f"""trap '' TERM; sleep 300 & echo $! > {grandchild}
    (setsid sh -c 'trap "" TERM; echo $$ > {daemon}; sleep 300; true' >/dev/null 2>&1 </dev/null &) ; sleep 300; sleep 300"""
    task = asyncio.create_task(processes.run(["sh", "-c", script], env=ENV))
    await until(lambda: written(grandchild) and written(daemon))
    await cancelled(task)
    await until(lambda: gone(pid_in(grandchild)) and gone(pid_in(daemon)), 5)


async def test_a_second_cancellation_does_not_interrupt_the_killing(processes: Processes, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    task = asyncio.create_task(
        processes.run(["sh", "-c", f"trap '' TERM; echo $$ > {pid}; while true; do sleep 1; done"], env=ENV)
    )
    await until(lambda: written(pid))
    task.cancel()
    await asyncio.sleep(0.05)
    await cancelled(task)
    assert not psutil.pid_exists(pid_in(pid))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="orphans are given to a process of choice on Linux only")
async def test_dead_orphans_that_nobody_collects_hold_up_no_killing(tmp_path: Path) -> None:
    owner = Processes(kill_grace=60.0)
    await owner.start()
    pid = tmp_path / "pid"
    prctl, subreaper = ctypes.CDLL(None).prctl, 36
    prctl(subreaper, 1)  # orphans come to this process, which collects none before the killing has ended
    try:
        task = asyncio.create_task(owner.run(["sh", "-c", f"sleep 300 & echo $$ > {pid}; wait"], env=ENV))
        await until(lambda: written(pid))
        began = time.monotonic()
        await cancelled(task)
        assert time.monotonic() - began < 30, "it has waited for the dead"
        assert gone(pid_in(pid))
    finally:
        prctl(subreaper, 0)
        await owner.aclose()


@pytest.mark.case("A01")
async def test_a_cancellation_at_any_moment_leaves_nothing_running(processes: Processes) -> None:
    before = psutil.Process().children()  # servers of other tests among them
    for step in range(30):
        task = asyncio.create_task(processes.run(["sleep", "300"], env=ENV))
        await asyncio.sleep(step * 0.001)
        await cancelled(task)
    assert [child.pid for child in psutil.Process().children() if child not in before and child.pid != processes.watcher_pid] == []


async def test_a_time_limit_says_how_long_it_was(processes: Processes) -> None:
    with pytest.raises(ChildTimeout, match="timed out after 1 s"):
        await processes.run(["sleep", "300"], env=ENV, timeout=1)


@pytest.mark.case("A06")
async def test_two_mib_on_both_pipes_are_read(processes: Processes) -> None:
    code = f"import sys; sys.stderr.write('e' * {2 * MIB}); sys.stdout.write('o' * {2 * MIB})"
    result = await processes.run([sys.executable, "-c", code], env=ENV, timeout=30)
    assert len(result.stdout) == 2 * MIB
    assert result.stderr == "e" * 8192


async def test_endless_output_is_stopped(processes: Processes) -> None:
    with pytest.raises(ChildOutputTooLarge, match="yes printed more than 1 MiB"):
        await processes.run(["yes"], env=ENV, stdout_limit=MIB)


async def test_a_background_child_that_holds_stdout_does_not_block(processes: Processes) -> None:
    result = await processes.run(["sh", "-c", "sleep 300 & echo $!"], env=ENV, timeout=60)
    assert result.seconds < 20
    await until(lambda: gone(int(result.stdout)))


async def test_a_child_that_does_not_read_its_prompt_is_fine(processes: Processes) -> None:
    result = await processes.run(["true"], stdin=b"x" * MIB, env=ENV)
    assert result.returncode == 0


@pytest.mark.case("A08")
async def test_a_long_prompt_fits_on_stdin_and_a_long_argument_is_named(processes: Processes) -> None:
    result = await processes.run(["wc", "-c"], stdin=b"x" * 300_000, env=ENV)
    assert int(result.stdout) == 300_000
    with pytest.raises(ChildNotStarted, match=r"too long.*\(300004 bytes\)") as caught:
        await processes.run(["echo", "x" * 300_000], env=ENV)
    assert "PATH" not in caught.value.message


@pytest.mark.case("A13")
async def test_a_loop_without_child_processes_is_named(processes: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_args: object, **_options: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(asyncio, "create_subprocess_exec", refuse)
    with pytest.raises(ChildNotStarted, match=r"event loop.*Windows"):
        await processes.run(["true"], env=ENV)


async def test_every_reason_not_to_start_has_its_own_sentence(processes: Processes, tmp_path: Path) -> None:
    plain, orphan = tmp_path / "plain", tmp_path / "orphan"
    plain.write_text("no program")
    orphan.write_text("#!/no/such/interpreter\n")
    orphan.chmod(0o755)
    for argv, sentence in [
        (["no-such-program"], f"not found. PATH of the server: {ENV['PATH']}"),
        ([str(plain)], "permission denied"),
        ([str(orphan)], "interpreter that is not there: #!/no/such/interpreter"),
    ]:
        with pytest.raises(ChildNotStarted) as caught:
            await processes.run(argv, env=ENV)
        assert sentence in caught.value.message


@pytest.mark.case("A14")
async def test_many_runs_leave_no_zombie(processes: Processes) -> None:
    before = psutil.Process().children()
    await asyncio.gather(*(processes.run(["sh", "-c", "sleep 300 >/dev/null 2>&1 & true"], env=ENV) for _ in range(20)))
    mine = [child for child in psutil.Process().children() if child not in before]
    assert [child for child in mine if child.status() == psutil.STATUS_ZOMBIE] == []
    assert [child.pid for child in mine if child.pid != processes.watcher_pid] == []


@pytest.mark.case("D13")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="descriptors are read from /proc")
async def test_a_child_inherits_no_descriptor_of_the_server(processes: Processes, tmp_path: Path) -> None:
    with (tmp_path / "state.duckdb").open("wb"):
        result = await processes.run(["sh", "-c", "ls -l /proc/self/fd; ls /proc/self/fd >&2"], env=ENV)
    assert b"duckdb" not in result.stdout
    assert result.stderr.split() == ["0", "1", "2", "3"]  # 3 is what ls itself reads


def test_the_environment_is_an_allow_list() -> None:
    source = {
        "PATH": "/bin",
        "LC_TIME": "C",
        "HOME": "/h",
        "AWS_KEY": "a",
        "JUPYTER_TOKEN": "t",
        "DOCSFY_JUPYTER_TOKEN": "t",
        "MINE": "m",
    }
    given = child_environment({"X": "1"}, ["MINE", "JUPYTER_TOKEN", "DOCSFY_JUPYTER_TOKEN"], source)
    assert given == {"PATH": "/bin", "LC_TIME": "C", "HOME": "/h", "MINE": "m", "X": "1"}


async def test_closing_kills_what_runs_and_refuses_what_comes(tmp_path: Path) -> None:
    owner = Processes()
    await owner.start()
    pid = tmp_path / "pid"
    task = asyncio.create_task(owner.run(["sh", "-c", f"echo $$ > {pid}; exec sleep 300"], env=ENV))
    await until(lambda: written(pid))
    await owner.aclose()
    await owner.aclose()
    with pytest.raises(ChildError, match="shutting down"):
        await task
    with pytest.raises(ChildError, match="shutting down"):
        await owner.run(["true"], env=ENV)
    assert gone(pid_in(pid))
    assert owner.watcher_pid is None


async def test_a_dead_watcher_is_started_again_with_the_next_child(processes: Processes) -> None:
    first = processes.watcher_pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: processes.watcher_pid is None)
    await processes.run(["true"], env=ENV)
    assert processes.watcher_pid not in (None, first)


@pytest.mark.parametrize(
    ("env", "page", "shown"),
    [
        ({"OPENAI_API_KEY": "ollama"}, "Runs on ollama.", "Runs on ollama."),
        ({"AUTH_TYPE": "oauth2", "TOKEN": "EMPTY"}, "oauth2, EMPTY", "oauth2, EMPTY"),
        ({"OPENAI_API_KEY": "sk-12345"}, "key sk-12345", "key ***"),
        ({"HTTPS_PROXY": "http://u:s3cr3t-pw@h"}, "http://u:s3cr3t-pw@h", "http://u:***@h"),
    ],
)
def test_what_is_short_enough_to_be_a_word_is_no_secret(env: dict[str, str], page: str, shown: str) -> None:
    assert masked(page.encode(), secrets_of(env)).decode() == shown
