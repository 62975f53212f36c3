"""The command line as a person uses it: real processes, a private server, a real repository."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
from conftest import FAKE

COMMAND = [str(Path(sys.executable).with_name("jupyter-docsfy"))]


def run(home: Path, *args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "JUPYTER_RUNTIME_DIR": str(home / "runtime"), "JUPYTER_CONFIG_DIR": str(home / "config")}
    command = [*COMMAND, *args, "--data-dir", str(home / "data")]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, cwd=cwd)


def test_generate_ends_with_a_site_in_the_output_folder(tmp_path: Path, demo_repo: Path) -> None:
    out = tmp_path / "site"
    result = run(tmp_path, "generate", str(demo_repo), "--output", str(out))
    assert result.returncode == 0, result.stderr
    assert "Documentation ready!" in result.stderr
    assert (out / "index.html").is_file()
    assert "add_numbers" in "".join(page.read_text("utf-8") for page in out.glob("*.md"))
    again = run(tmp_path, "generate", str(demo_repo), "--output", str(out), "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["current_stage"] == "up_to_date"
    assert json.loads(run(tmp_path, "runs", "--json").stdout)["total"] == 2
    assert run(tmp_path, "list").stdout.startswith("demo · local/static · ready · ")
    assert run(tmp_path, "render", "demo").returncode == 0
    assert run(tmp_path, "delete", "demo", "--yes").returncode == 0
    assert run(tmp_path, "list").stdout == "Nothing generated yet.\n"


def test_nothing_of_the_folder_that_one_stands_in_is_imported(tmp_path: Path, demo_repo: Path) -> None:
    trap = f"open({str(tmp_path / 'sprung')!r}, 'w').close()"
    for name in ("json", "jinja2", "griffe", "jupyter_server", "docsfy_jupyter"):
        (demo_repo / f"{name}.py").write_text(trap, "utf-8")
    result = run(tmp_path, "generate", ".", cwd=demo_repo)
    assert result.returncode == 0, result.stderr
    assert not (tmp_path / "sprung").exists()


def test_bad_input_is_one_sentence_and_exit_code_2(tmp_path: Path, demo_repo: Path) -> None:
    result = run(tmp_path, "generate", str(tmp_path / "nowhere"))
    assert result.returncode == 2
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.stderr
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("precious")
    refused = run(tmp_path, "generate", str(demo_repo), "--output", str(tmp_path / "full"), "--json")
    assert refused.returncode == 2
    assert json.loads(refused.stdout)["code"] == "bad_request"
    assert (tmp_path / "full" / "mine.txt").read_text() == "precious"


def test_no_server_is_exit_code_3(tmp_path: Path) -> None:
    result = run(tmp_path, "list", "--url", "http://127.0.0.1:9/", "--token", "x")
    assert result.returncode == 3
    assert "127.0.0.1:9" in result.stderr


def test_doctor_finds_what_a_set_up_needs(tmp_path: Path) -> None:
    result = run(tmp_path, "doctor", "--json")
    assert result.returncode == 0, result.stderr
    topics = {finding["topic"]: finding["state"] for finding in json.loads(result.stdout)["findings"]}
    assert topics["git"] == topics["server"] == topics["provider local"] == "ok"


def test_ctrl_c_aborts_and_leaves_no_process(tmp_path: Path, demo_repo: Path) -> None:
    config = tmp_path / "config"
    config.mkdir()
    providers = json.dumps({"DocsfyApp": {"command_providers": {"fake": [sys.executable, str(FAKE)]}}})
    (config / "jupyter_docsfy_jupyter_config.json").write_text(providers)
    (config / "jupyter_server_config.json").write_text(providers)
    env = {**os.environ, "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"), "JUPYTER_CONFIG_DIR": str(config)}
    command = [*COMMAND, "generate", str(demo_repo), "--provider", "fake", "--model", "pages=3,sleep=60"]
    process = subprocess.Popen([*command, "--data-dir", str(tmp_path / "data")], env=env, stderr=subprocess.PIPE, text=True, stdout=subprocess.PIPE)
    assert process.stderr is not None
    for line in process.stderr:
        if "Planned documentation" in line:
            break
    time.sleep(0.5)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert " · aborted · " in output
    assert not psutil.wait_procs(children, timeout=10)[1]
