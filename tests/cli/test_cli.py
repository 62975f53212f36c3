"""The command line with a private server: real processes, from their start to what an interruption leaves of them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from servers import FAKE

COMMAND = [str(Path(sys.executable).with_name("jupyter-docsfy"))]


def heeds_interrupts() -> None:
    """Undo what a shell does to the commands that it starts in the background: they, and all below them, ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def environment(home: Path) -> dict[str, str]:
    config = home / "config"
    config.mkdir(exist_ok=True)
    providers = {"DocsfyApp": {"command_providers": {"fake": [sys.executable, str(FAKE)]}}}
    (config / "jupyter_server_config.json").write_text(json.dumps(providers))
    return {**os.environ, "JUPYTER_RUNTIME_DIR": str(home / "runtime"), "JUPYTER_CONFIG_DIR": str(config)}


def run(home: Path, *args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *args]
    if "--url" not in args or args[0] == "doctor":
        command += ["--data-dir", str(home / "data")]
    return subprocess.run(
        command, env=environment(home), capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, cwd=cwd
    )


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


@pytest.mark.parametrize("after", [0.0, 0.1, 0.3, 1.0])
def test_an_interruption_at_the_start_is_one_line(tmp_path: Path, demo_repo: Path, after: float) -> None:
    # from before its modules are loaded until its private server starts; the first line is the interpreter's own
    script = f"import sys; print('up', flush=True); from docsfy_jupyter.cli import main; sys.exit(main({['list']!r} + sys.argv[1:]))"
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
    process = subprocess.Popen(
        [*command, "--data-dir", str(tmp_path / "data")],
        env=environment(tmp_path), stderr=subprocess.PIPE, text=True, stdout=subprocess.PIPE, start_new_session=True,
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


def findings(home: Path, *args: str, code: int) -> dict[str, dict[str, str]]:
    result = run(home, "doctor", "--json", *args)
    assert result.returncode == code, result.stdout + result.stderr
    answer = json.loads(result.stdout)
    assert answer["ok"] is (code == 0)
    return {finding["topic"]: finding for finding in answer["findings"]}


def test_doctor_finds_what_a_set_up_needs(tmp_path: Path) -> None:
    found = findings(tmp_path, code=0)
    others = {topic for topic in found if topic.startswith("provider ")} - {"provider local"}  # there or not, as it happens
    states = {topic: finding["state"] for topic, finding in found.items() if topic not in others}
    assert states.pop("server") == "warn"
    assert set(states) >= {
        "packages", "extension", "kernel", "git", "data folder", "disk", "lock", "database", "versions", "provider local",
    }  # fmt: skip
    assert set(states.values()) == {"ok"}
    assert oct((tmp_path / "data").stat().st_mode)[-3:] == "700"


def test_doctor_says_what_to_do_where_something_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o755)
    (data / "docsfy.lock").write_text(f"{os.getpid()}\n{socket.gethostname()}\n")
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "jupyter_server_config.d").mkdir()
    (folder / "jupyter_server_config.d" / "off.json").write_text('{"ServerApp": {"jpserver_extensions": {"docsfy_jupyter": false}}}')
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    found = findings(tmp_path, "--url", "http://127.0.0.1:9/", code=1)
    advice = {topic: finding["advice"] for topic, finding in found.items() if finding["state"] == "fail"}
    assert advice["data folder"] == f"Run: chmod 700 '{data}'"
    assert advice["extension"] == "Run `jupyter server extension enable docsfy_jupyter` and restart Jupyter."
    assert advice["git"].startswith("Install git")
    assert "127.0.0.1:9" in found["server"]["text"]
    assert all(advice.values())
    assert f"last used by PID {os.getpid()} on {socket.gethostname()}: " in found["lock"]["text"]
