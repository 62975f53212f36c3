"""docsfy's own published command line against our server, at the root of a host and below a hub's prefix."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docsfy_program
import pytest
from git_server import git_server
from servers import Server, await_health, commit, end, git, launch, make_demo_repo

BASES = ("/", "/user/x/")
AT_THE_ROOT = pytest.mark.parametrize("docsfy", ["/"], indirect=True, scope="module")  # once is enough
MODEL = "pages=3"
BEYOND_A_PING = 28  # seconds; the server pings every 25


@dataclass
class Docsfy:
    """The command line with a profile for one server, and the URL of a repository that it may name."""

    program: Path
    server: Server
    home: Path
    repo_url: str

    def start(self, *words: str) -> subprocess.Popen[str]:
        env = {**os.environ, "HOME": str(self.home), "NO_PROXY": "127.0.0.1", "COLUMNS": "200"}
        pipe = subprocess.PIPE
        return subprocess.Popen([self.program, *words], env=env, cwd=self.home, stdout=pipe, stderr=pipe, text=True)

    def __call__(self, *words: str, fails: bool = False) -> str:
        """Run it; return what it printed, or of a failure its errors."""
        process = self.start(*words)
        out, err = process.communicate(timeout=90)
        assert "Traceback" not in err, err
        assert "redirected" not in err, err
        assert process.returncode == int(fails), out + err
        return err if fails else out

    def json(self, *words: str) -> Any:
        return json.loads(self(*words, "--json"))

    def generate(self, model: str, *more: str, branch: str = "main") -> str:
        """Start a run of the fake provider; return its id."""
        out = self("generate", self.repo_url, "--branch", branch, "--provider", "fake", "--model", model, *more)
        found = re.search(r"^Generation ID: (.+)$", out, re.MULTILINE)
        assert found, out
        assert re.search(r"^Status: generating$", out, re.MULTILINE), out
        return found[1]

    def ended(self, model: str, branch: str = "main") -> dict[str, Any]:
        """Wait for the end of a run."""
        query = f"api/variant?name=demo&branch={branch}&provider=fake&model={model}"
        return self.server.ended(query)


@pytest.fixture(scope="module")
def gate_of_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """While this file exists, the fake provider waits where its model says so."""
    path = tmp_path_factory.mktemp("gate") / "gate"
    path.touch()
    return path


@pytest.fixture(scope="module", params=BASES)
def docsfy(request: pytest.FixtureRequest, gate_of_runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docsfy]:
    """The command line and a server at this base URL, with a ready set of documentation of `main` and `feature/x`."""
    program = docsfy_program.command_line()
    folder = tmp_path_factory.mktemp("docsfy-cli")
    repo = make_demo_repo(folder)
    git(repo, "checkout", "-q", "-b", "feature/x")
    commit(repo, {"README.md": "# Demo of a feature\n"})
    git(repo, "checkout", "-q", "main")
    (folder / "served").mkdir()
    for name in ("demo", "quiet"):
        git(folder, "clone", "-q", "--bare", str(repo), str(folder / "served" / f"{name}.git"))
    options = ("--DocsfyApp.allowed_url_schemes=http", "--DocsfyApp.allow_private_hosts=True")
    with pytest.MonkeyPatch.context() as patch, git_server(folder / "served") as host:
        patch.setenv("XDG_DOCSFY_GATE", str(gate_of_runs))
        server = launch(folder, *options, base_url=request.param)
        try:
            await_health(server)
            _write_profile(folder, server)
            client = Docsfy(program, server, folder, f"http://{host}/demo.git")
            for branch in ("main", "feature/x"):
                client.generate(MODEL, branch=branch)
                assert client.ended(MODEL, branch)["status"] == "ready"
            yield client
        finally:
            end(server)


def _write_profile(home: Path, server: Server) -> None:
    file = home / ".config" / "docsfy" / "config.toml"
    file.parent.mkdir(parents=True)
    profile = f'url = "{server.api.rstrip("/")}"\nusername = "me"\npassword = "{server.token}"\n'
    file.write_text(f'[default]\nserver = "jupyter"\n\n[servers.jupyter]\n{profile}')


def heard(watcher: subprocess.Popen[str], text: str) -> None:
    """Read what a watcher prints up to a line with this text."""
    assert watcher.stderr is not None
    line = ""
    while text not in line:
        line = watcher.stderr.readline()
        assert line, f"it ended before it said {text!r}: {watcher.communicate()}"


@contextmanager
def watched(docsfy: Docsfy, model: str, repo_url: str | None = None) -> Iterator[subprocess.Popen[str]]:
    """Start a run and watch it."""
    process = docsfy.start("generate", repo_url or docsfy.repo_url, "--provider", "fake", "--model", model, "--watch")
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def quiet(docsfy: Docsfy) -> Iterator[subprocess.Popen[str]]:
    """A watcher of a run in which nothing happens for longer than the server waits with a ping; the other tests go on meanwhile."""
    with watched(docsfy, f"pages=1,sleep={BEYOND_A_PING}", docsfy.repo_url.replace("demo", "quiet")) as watcher:
        yield watcher


@AT_THE_ROOT
def test_a_run_begins_in_which_nothing_happens(quiet: subprocess.Popen[str]) -> None:
    heard(quiet, "Watching generation progress")


def test_health_and_models(docsfy: Docsfy) -> None:
    assert docsfy("health").splitlines() == [f"Server: {docsfy.server.api.rstrip('/')}", "Status: ok"]
    told = docsfy("models")
    assert "Provider: local (default)\n  static  (default)\n" in told
    assert "Models refreshed" in docsfy("models", "--refresh", "--provider", "fake")
    assert docsfy.json("models", "--provider", "local")["available_models"] == {"local": [{"id": "static", "name": "static"}]}


def test_what_there_is_is_listed_and_told(docsfy: Docsfy) -> None:
    rows = docsfy.json("list", "--status", "ready", "--provider", "fake")
    assert {(row["name"], row["branch"], row["ai_model"], row["page_count"]) for row in rows} >= {
        ("demo", "main", MODEL, 3),
        ("demo", "feature/x", MODEL, 3),
    }
    assert re.search(rf"^demo +main +fake +{MODEL} +ready +\S+ +3 +[0-9a-f-]{{36}} *$", docsfy("list"), re.MULTILINE)
    told = docsfy("status", "demo")
    assert f"main/fake/{MODEL}" in told
    assert f"feature/x/fake/{MODEL}" in told
    (row,) = (row for row in rows if row["branch"] == "main" and row["ai_model"] == MODEL)
    one = docsfy("status", "demo", "-b", "main", "-p", "fake", "-m", MODEL)
    assert docsfy("status", row["generation_id"]) == one
    assert f"Commit:  {row['last_commit_sha'][:8]}" in one
    # as docsfy's own clients spell a branch in a path
    spelt = docsfy.json("status", "demo", "-b", "feature~2Fx", "-p", "fake", "-m", MODEL)
    assert (spelt["branch"], spelt["status"]) == ("feature/x", "ready")


def test_a_run_is_watched_to_its_end(docsfy: Docsfy, gate_of_runs: Path) -> None:
    with watched(docsfy, "pages=3,hold=page-2") as watcher:
        heard(watcher, "[generating] generating_pages (2 pages)")
        gate_of_runs.unlink()
        out, err = watcher.communicate(timeout=90)
        gate_of_runs.touch()
    assert watcher.returncode == 0, err
    assert "Status: generating" in out
    assert err.endswith("Generation complete! (3 pages)\n")


@AT_THE_ROOT
def test_a_run_of_the_defaults_is_found_and_watched(docsfy: Docsfy) -> None:
    process = docsfy.start("generate", docsfy.repo_url, "--watch")
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    assert "Watching generation progress" in err, out
    assert "Generation complete!" in err


@AT_THE_ROOT
def test_a_run_that_ends_at_once_is_told_by_the_first_message(docsfy: Docsfy) -> None:
    process = docsfy.start("generate", docsfy.repo_url, "--provider", "fake", "--model", MODEL, "--watch")  # up to date
    _, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    assert err.endswith("Generation complete! (3 pages)\n")


@AT_THE_ROOT
def test_a_failure_is_told_with_its_reason(docsfy: Docsfy) -> None:
    process = docsfy.start("generate", docsfy.repo_url, "--provider", "fake", "--model", "pages=2,fail=page-2", "--watch")
    _, err = process.communicate(timeout=90)
    assert process.returncode == 1
    assert re.search(r"^Generation failed: 1 of 2 pages failed: page-2 \(.*the fake failed", err, re.MULTILINE), err


@AT_THE_ROOT
@pytest.mark.parametrize("named", ["name", "variant", "id"])
def test_an_abort_ends_the_run_and_its_watcher(docsfy: Docsfy, named: str) -> None:
    model = f"pages=2,hold=page-2,by={named}"
    with watched(docsfy, model) as watcher:
        heard(watcher, "generating_pages (1 pages)")
        row = docsfy.json("status", "demo", "-b", "main", "-p", "fake", "-m", model)
        assert row["status"] == "generating"
        words = {"name": ["demo"], "variant": ["demo", "-b", "main", "-p", "fake", "-m", model], "id": [row["generation_id"]]}
        assert "Aborted generation for" in docsfy("abort", *words[named])
        _, err = watcher.communicate(timeout=90)
    assert err.endswith("Generation was aborted.\n")
    assert watcher.returncode == 1
    assert docsfy.json("status", row["generation_id"])["status"] == "aborted"


@AT_THE_ROOT
def test_the_row_says_generating_before_the_run_is_accepted(docsfy: Docsfy) -> None:
    model = "pages=1,hold=plan"
    started = docsfy.generate(model)
    row = docsfy.json("status", started)
    assert (row["status"], row["generation_id"]) == ("generating", started)
    again = docsfy("generate", docsfy.repo_url, "--provider", "fake", "--model", model, fails=True)
    assert again.startswith("Error (409): ")
    assert docsfy("delete", started, "--yes", fails=True).startswith("Error (409): ")
    docsfy("abort", started)
    docsfy("delete", started, "--yes")
    gone = docsfy("status", "demo", "-b", "main", "-p", "fake", "-m", model, fails=True)
    assert gone.startswith("Error (404): There is no variant")


@AT_THE_ROOT
def test_a_site_is_downloaded_whole_and_unpacked(docsfy: Docsfy, tmp_path: Path) -> None:
    docsfy("download", "demo", "-b", "feature/x", "-p", "fake", "-m", MODEL)
    archive = docsfy.home / f"demo-feature~2Fx-fake-{MODEL}-docs.tar.gz"
    with tarfile.open(archive) as whole:
        assert any(name.endswith("/page-3.html") for name in whole.getnames())
    assert docsfy.server.call("GET", f"docs/demo/feature~2Fx/fake/{MODEL}/page-3.html").status_code == 200
    if docsfy_program.python_version(docsfy.program) < (3, 13):
        return  # docsfy's own --output fails there: it uses an argument that pathlib has since 3.13
    target = tmp_path / "site"
    docsfy("download", "demo", "-b", "main", "-p", "fake", "-m", MODEL, "--output", str(target), "--flatten")
    assert (target / "index.html").is_file()
    assert (target / "page-3.html").is_file()
    docsfy("download", "demo", "--output", str(target))
    assert (target / "demo" / "index.html").is_file()


@AT_THE_ROOT
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["status", "nobody"], r"Error \(404\): There is no project 'nobody'"),
        (["status", "00000000-0000-4000-8000-000000000000"], r"Error \(404\): No variant's latest run is 0{8}-"),
        (["abort", "demo"], r"Error \(404\): No run of demo is in progress\."),
        (["delete", "nobody", "--all", "--yes"], r"Error \(404\): There is no project 'nobody'"),
        (["generate", "file:///etc"], r"Error \(400\): file:// addresses are not allowed"),
        (["generate", "http://127.0.0.1/x", "--branch", "a b"], r"Error \(400\): \S.*branch"),
        (["generate", "http://127.0.0.1/x", "--provider", "nobody"], r"Error \(400\): \S.*nobody"),
        (["generate", "http://127.0.0.1/x", "--repo-type", "app"], r"Error \(400\): repo_type: "),
        (["admin", "users", "list"], r"Error \(404\): There is no \S+/api/admin/users here"),
        (["--password", "wrong", "list"], r"Error \(403\): Not logged in"),
        (["--password", "wrong", "delete", "demo", "--all", "--yes"], r"Error \(403\): \S"),
    ],
)
def test_a_refusal_says_why(docsfy: Docsfy, words: list[str], told: str) -> None:
    assert re.match(told, docsfy(*words, fails=True))


@AT_THE_ROOT
def test_a_watcher_of_a_quiet_run_outlives_a_ping(quiet: subprocess.Popen[str]) -> None:
    _, err = quiet.communicate(timeout=90)
    assert quiet.returncode == 0, err
    assert err.endswith("Generation complete! (1 pages)\n")


def test_what_is_refused_and_deleted_below_any_prefix(docsfy: Docsfy) -> None:
    assert docsfy("status", "nobody", fails=True).startswith("Error (404): There is no project 'nobody'")
    assert docsfy("--password", "wrong", "list", fails=True).startswith("Error (403): Not logged in")
    docsfy("delete", "demo", "--all", "--yes")
    assert "demo" not in [row["name"] for row in docsfy.json("list")]
