"""``jupyter docsfy doctor``: what it looks at, and what it says to do."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import run
from servers import Server

from docsfy_jupyter.cli import main
from docsfy_jupyter.cli.doctor import _providers
from docsfy_jupyter.cli.machine import configuration
from docsfy_jupyter.providers.registry import ProviderRegistry


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
        "packages", "extension", "configuration", "kernel", "git", "data folder", "disk", "lock", "database", "versions", "provider local",
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


def test_doctor_looks_at_the_folder_of_the_server_that_it_found(
    start_server: Callable[..., Server], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/v1"
        servers = {"dead": {"base_url": url, "default_model": "m"}, "bad": {"base": 1}}
        server = start_server(f"--DocsfyApp.openai_servers={servers}", "--DocsfyApp.default_model=typo")
        assert main(["doctor", "--json", "--url", server.url, "--token", server.token]) == 1
    found = {finding["topic"]: finding for finding in json.loads(capsys.readouterr().out)["findings"]}
    assert found["data folder"]["text"] == f"{server.data_dir} is writable and yours alone (mode 0700)"
    assert f"free for {server.data_dir}" in found["disk"]["text"]
    assert found["provider dead"]["text"].startswith(f"cannot start with model m: not reached: no connection to {url}: ")
    assert "OPENAI_API_KEY" in found["provider openai"]["text"]  # OpenAI's own is there beside others
    assert found["provider local"]["text"].startswith("cannot start with model typo: The local provider has no model 'typo'; ")
    assert found["provider bad"]["text"].startswith("c.DocsfyApp.openai_servers['bad'] cannot be used: 'base_url' is missing; ")


def test_doctor_says_of_a_data_folder_that_none_works_on_it_though_a_server_runs(
    start_server: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = start_server()
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.delenv("DOCSFY_JUPYTER_URL", raising=False)
    other = tmp_path / "other"
    main(["doctor", "--json", "--data-dir", str(other)])
    found = {finding["topic"]: finding for finding in json.loads(capsys.readouterr().out)["findings"]}
    assert server.url in found["kernel"]["text"]
    assert found["server"]["text"] == f"no Jupyter server works on {other}"
    main(["doctor", "--json", "--data-dir", str(server.data_dir)])
    held = {finding["topic"]: finding for finding in json.loads(capsys.readouterr().out)["findings"]}
    assert held["server"]["state"] == "fail"  # by the server that runs


def test_doctor_prints_the_path_of_the_server_once(monkeypatch: pytest.MonkeyPatch) -> None:
    path = "/usr/bin:/opt/one two"
    monkeypatch.setenv("PATH", path)
    registry = ProviderRegistry({"mine": ["no-such-program"], "other": ["nor-this"]})
    findings = {finding.topic: finding.text for finding in _providers({**registry.describe(), "default_provider": "local"})}
    assert "".join(findings.values()).count(path) == 1
    assert findings.pop("PATH of the server") == path
    missing = {topic: text for topic, text in findings.items() if " not found" in text}
    assert len(missing) == 5
    assert "Install it with `npm install" in missing["provider claude"]
    assert missing["provider mine"].startswith("cannot start with model default: no-such-program not found on the server's PATH")


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [("jupyter_server_config.py", "c = get_config()\nc.DocsfyApp.data_dir = '/x\n", ", line 2"), ("jupyter_config.json", "{\n'a': 1}", ", line 2")],
)
def test_doctor_names_a_configuration_file_that_jupyter_cannot_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, line: str
) -> None:
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    (tmp_path / name).write_text(text)
    finding = configuration()
    assert finding.state == "fail"
    assert finding.text.startswith(f"{tmp_path / name}{line}: ")
    assert "restart Jupyter" in finding.advice
