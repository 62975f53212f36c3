"""The command line with a private server: real processes, from their start to what an interruption leaves of them."""

from __future__ import annotations

import fcntl
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from commands import COMMAND, environment, heeds_interrupts, run


def test_generate_ends_with_a_site_in_the_output_folder_and_imports_nothing_of_where_one_stands(
    tmp_path: Path, demo_repo: Path
) -> None:
    trap = f"open({str(tmp_path / 'sprung')!r}, 'w').close()"
    for name in ("json", "jinja2", "griffe", "jupyter_server", "docsfy_jupyter"):
        (demo_repo / f"{name}.py").write_text(trap, "utf-8")
    out = tmp_path / "site"
    result = run(tmp_path, "generate", ".", "--output", str(out), cwd=demo_repo)
    assert result.returncode == 0, result.stderr
    assert not (tmp_path / "sprung").exists()
    assert "Documentation ready!" in result.stderr
    assert "\x1b" not in result.stderr + result.stdout
    assert result.stdout.splitlines()[-1] == f"The site is in {out}/ ; open {out / 'index.html'}"
    assert (out / "index.html").is_file()
    assert "add_numbers" in "".join(page.read_text("utf-8") for page in out.glob("*.md"))
    assert run(tmp_path, "list").stdout.startswith("demo · local/static · ready · ")


def test_a_private_server_is_not_left_to_itself(tmp_path: Path, demo_repo: Path) -> None:
    unwatched = run(tmp_path, "generate", str(demo_repo), "--no-watch")
    assert unwatched.returncode == 2
    assert unwatched.stderr.startswith("Error: --no-watch needs a running Jupyter server")
    assert unwatched.stderr.count("\n") == 1


def test_a_folder_that_holds_something_else_is_never_overwritten(tmp_path: Path, demo_repo: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("precious")
    refused = run(tmp_path, "generate", str(demo_repo), "--output", str(tmp_path / "full"), "--json")
    assert refused.returncode == 2
    assert json.loads(refused.stdout)["code"] == "bad_request"
    assert not (tmp_path / "data").exists()  # before any server was started
    assert (tmp_path / "full" / "mine.txt").read_text() == "precious"


@pytest.mark.parametrize("after", [0.0, 0.1, 0.3])
def test_an_interruption_at_the_start_is_one_line(tmp_path: Path, demo_repo: Path, after: float) -> None:
    # from before its modules are loaded until its private server starts
    script = f"import sys; from docsfy_jupyter.cli import main; print('up', flush=True); sys.exit(main({['list']!r} + sys.argv[1:]))"
    process = subprocess.Popen(
        [sys.executable, "-c", script, "--data-dir", str(tmp_path / "data")],
        env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heeds_interrupts,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.05 + after)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "Interrupted. Nothing was started or changed.\n")


def test_no_server_is_exit_code_3(tmp_path: Path) -> None:
    result = run(tmp_path, "list", "--url", "http://127.0.0.1:9/", "--token", "x")
    assert result.returncode == 3
    assert "127.0.0.1:9" in result.stderr


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    command = f"'{COMMAND[0]}' doctor --url http://127.0.0.1:9/ | true"
    result = subprocess.run(["sh", "-c", command], env=environment(tmp_path), capture_output=True, text=True, timeout=120)
    assert result.stderr == ""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_command_leaves_no_process(tmp_path: Path, demo_repo: Path, how: signal.Signals) -> None:
    command = [*COMMAND, "generate", str(demo_repo), "--provider", "fake", "--model", "pages=3,sleep=60,children=1"]
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    process = subprocess.Popen(
        [*command, "--data-dir", str(tmp_path / "data")],
        env={**environment(tmp_path), "TMPDIR": str(temporary)}, stderr=subprocess.PIPE, text=True, stdout=subprocess.PIPE, start_new_session=True,
        preexec_fn=heeds_interrupts,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if "Planned documentation" in line:
            break
    family = psutil.Process(process.pid).children(recursive=True)
    until = time.monotonic() + 30
    while not any("fake_provider" in " ".join(p.cmdline()) for p in family if p.is_running()) and time.monotonic() < until:
        time.sleep(0.1)
        family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(how)
    output, errors = process.communicate(timeout=60)
    assert psutil.wait_procs(family, timeout=20)[1] == []
    if how is signal.SIGINT:
        assert process.returncode == 130
        assert "Aborting… (until every process of the run is gone" in errors
        assert " · aborted · " in output
    left = list(temporary.iterdir())
    assert [path.name.startswith("docsfy-private-") for path in left] == ([True] if how is signal.SIGKILL else [])
    others = {temporary / name for name in ("docsfy-private-without-lock", "docsfy-private-in-use", "other", "docsfy-private-link")}
    for path in others - {temporary / "docsfy-private-link"}:
        path.mkdir()
    (temporary / "docsfy-private-link").symlink_to(temporary / "other")
    with (temporary / "docsfy-private-in-use" / "in-use.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        again = [*COMMAND, "list", "--data-dir", str(tmp_path / "data")]
        subprocess.run(again, env={**environment(tmp_path), "TMPDIR": str(temporary)}, timeout=120, check=True, stdout=subprocess.DEVNULL)
    assert set(temporary.iterdir()) == others, "what a killed command left is gone, and nothing else"
