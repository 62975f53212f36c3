"""Keys, credentials and tokens: whoever says them, they are in no row, event, log, answer, site, archive or notebook."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from agents import Agents
from batching import COMMAND
from fake_chat_api import Answer, Asked, FakeChat, fake_chat, plan_text, said
from git_server import git_server
from invariants import address, settle
from servers import Server, await_health, end, git, launch, make_demo_repo

KEYS = {
    "ANTHROPIC_API_KEY": "sk-ant-canary-0001-anthropic", "GEMINI_API_KEY": "canary-0002-gemini-key", "CURSOR_API_KEY": "canary-0003-cursor-key",
    "CHAT_API_KEY": "sk-canary-0004-chat", "CLONE_CREDENTIAL": "u1:canary-0005-wrong", "HTTPS_PROXY": "http://proxy:canary-0006-proxy@127.0.0.1:9",
    "PASSED_ON_TOKEN": "canary-0007-passed-on", "NEVER_PASSED_ON": "canary-0008-never",
}  # fmt: skip
URL_PASSWORD = "canary-0009-url"
TOKEN = "canary-0010-server-token"
SECRETS = [value.removeprefix("u1:").removeprefix("http://proxy:").partition("@")[0] for value in KEYS.values()] + [URL_PASSWORD, TOKEN, "s3cr3t-of-git"]
# says all that it was given: in a page, in an error, in a plan's log
GOSSIP = """
import os, sys
said = " ".join(f"{name}={value}" for name, value in os.environ.items()) + sys.stdin.read()
if os.environ["DOCSFY_PURPOSE"] == "plan":
    print('{"project_name": "demo", "navigation": [{"group": "G", "pages": [{"slug": "a", "title": "A"}, {"slug": "b", "title": "B"}]}]}')
elif os.environ["DOCSFY_SLUG"] == "b" and os.environ["DOCSFY_MODEL"] == "fails":
    sys.exit("I know " + said)
else:
    print("# Page\\n\\n`" + said + "`")
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that knows many secrets, after runs of providers that say all they know, and of clones that fail."""
    home = tmp_path_factory.mktemp("secrets")
    agents = Agents(home / "agents")
    gossip = home / "gossip.py"
    gossip.write_text(GOSSIP)
    repo = make_demo_repo(home)
    git(home, "clone", "-q", "--bare", str(repo), "hosted.git")
    with pytest.MonkeyPatch.context() as patch, fake_chat() as chat, git_server(home) as host:
        for name, value in {**KEYS, "XDG_FAKE_AGENT": str(agents.folder), "NO_PROXY": "127.0.0.1,localhost"}.items():
            patch.setenv(name, value)
        patch.setenv("PATH", str(agents.bin), prepend=os.pathsep)
        config = home / "config"
        config.mkdir()
        (config / "jupyter_server_config.json").write_text(json.dumps({"DocsfyApp": {
            "allow_private_hosts": True, "allowed_url_schemes": ["http"], "env_passthrough": ["PASSED_ON_TOKEN"],
            "openai_servers": {"chat": {"base_url": chat.url, "key_env": "CHAT_API_KEY", "default_model": "m"}},
        }}))  # fmt: skip
        commands = {"gossip": [sys.executable, str(gossip)]}
        made = launch(home, token=TOKEN, commands=commands)
        await_health(made)
        _run_all(made, repo, host, agents, chat)
        _batch(made, home, repo)
        yield made
    end(made)


def _run_all(server: Server, repo: Path, host: str, agents: Agents, chat: FakeChat) -> None:
    """Start what may tell a secret, and wait for the ends."""
    chat.answer = lambda _, asked: _echo(asked)
    agents.steer(2, plan={}, page_1={"say": "# Page\n\nIt is", "gossip": True}, page_2={"error": "Invalid key", "gossip": True, "exit": 1})
    bodies = [
        {"repo_path": str(repo), "provider": provider, "model": model}
        for provider, model in (("gossip", "all"), ("gossip", "fails"), ("claude", "m"), ("gemini", "m"), ("cursor", "m"), ("chat", "m"), ("chat", "refused"))
    ]
    bodies += [
        {"repo_url": f"http://u1:s3cr3t@{host}/private/hosted.git", "provider": "fake", "model": "pages=1"},
        {"repo_url": f"http://u1:{URL_PASSWORD}@{host}/private/hosted.git", "provider": "fake", "model": "pages=2", "name": "wrong"},
        {"repo_url": f"http://{host}/private/hosted.git", "credential_env": "CLONE_CREDENTIAL", "provider": "fake", "model": "pages=2", "name": "by-name"},
        {"repo_url": f"http://u1:{URL_PASSWORD}@{host}/private/no:such\\n.git", "provider": "fake", "model": "m", "name": "odd"},
        {"repo_url": f"ftp://u1:{URL_PASSWORD}@{host}/x.git", "provider": "fake", "model": "m", "name": "refused"},
    ]
    said = [server.call("POST", "api/generate", json={"branch": "main", **body}).text for body in bodies]
    (server.log.parent / "answers.txt").write_text("\n".join(said))
    settle(server)


def _echo(asked: Asked) -> Answer:
    """Answer as a proxy does that shows what it got."""
    shown = f"{KEYS['CHAT_API_KEY']} {asked.headers}"
    if asked.body["model"] == "refused":
        return 401, {"X-Echo": "x"}, {"error": {"message": f"Incorrect API key provided: {shown}"}}
    return 200, {}, said(plan_text(1) if asked.planning else f"# Page\n\n`{shown}`\n")


def _batch(server: Server, home: Path, repo: Path) -> None:
    """Leave a receipt, a notebook."""
    file = home / "batch.yaml"
    file.write_text(json.dumps({"variants": [{"repo": str(repo), "branch": "main", "provider": "gossip", "model": "fails"}]}))
    where = ("--url", server.url, "--token", TOKEN, "--output", str(home / "receipts"), "--json")
    done = subprocess.run([*COMMAND, str(file), *where], capture_output=True, text=True, cwd="/", timeout=120, check=False)
    assert done.returncode == 1, done.stderr
    (home / "receipts" / "printed.txt").write_text(done.stdout + done.stderr)


def found(text: str | bytes) -> list[str]:
    """Return the secrets in a text."""
    raw = text.encode() if isinstance(text, str) else text
    return [secret for secret in SECRETS if secret.encode() in raw]


def test_the_runs_were_as_told(server: Server) -> None:
    rows = {(row["name"], row["ai_provider"], row["ai_model"]): row for row in settle(server)}
    assert {key for key, row in rows.items() if row["status"] == "ready"} == {("demo", "gossip", "all"), ("demo", "chat", "m"), ("hosted", "fake", "pages=1")}
    assert "***" in rows["demo", "claude", "m"]["error_message"]
    site = server.call("GET", f"docs/{address(rows['demo', 'gossip', 'all'])}/a.html").text
    assert "PASSED_ON_TOKEN=***" in site
    assert "***" in rows["demo", "chat", "refused"]["error_message"]


def test_no_answer_tells_a_secret(server: Server) -> None:
    assert found((server.log.parent / "answers.txt").read_bytes()) == []
    assert found(server.log.read_bytes()) == []
    for path in ("api/projects?full=1", "api/projects?view=progress", "api/runs", "api/models", "api/status", "api/openapi.json", "api/freshness"):
        assert found(server.call("GET", path).content) == [], path
    for row in settle(server):
        for kind in ("", "?view=progress", "/events"):
            assert found(server.call("GET", f"api/projects/{address(row)}{kind}").content) == [], (row["name"], kind)
        if row["site"]:
            assert found(gzip.decompress(server.call("GET", f"api/projects/{address(row)}/download").content)) == [], row["name"]


def test_no_row_event_or_call_of_the_history_has_a_secret(server: Server, tmp_path: Path) -> None:
    for table in ("projects", "runs", "stages", "pages", "ai_calls", "events"):
        file = tmp_path / f"{table}.parquet"
        file.write_bytes(server.call("GET", f"api/history.parquet?table={table}").content)
        rows = duckdb.sql(f"SELECT * FROM '{file}'").fetchall()
        assert rows, table
        assert found(repr(rows)) == [], table


def test_no_file_of_the_server_has_a_secret(server: Server) -> None:
    files = [path for path in server.data_dir.rglob("*") if path.is_file()]
    assert any(path.suffix == ".md" for path in files)
    assert [(path, found(path.read_bytes())) for path in files if "docsfy.duckdb" not in path.name and found(path.read_bytes())] == []


def test_no_receipt_of_a_batch_has_a_secret(server: Server) -> None:
    files = [path for path in (server.log.parent / "receipts").rglob("*") if path.is_file()]
    assert any(path.suffix == ".ipynb" for path in files)
    assert [(path, found(path.read_bytes())) for path in files if found(path.read_bytes())] == []
