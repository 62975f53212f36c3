"""The subcommands against a server that runs: what they print, as text and as JSON, and their exit codes."""

from __future__ import annotations

import io
import json
import re
import shlex
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from servers import Server

from docsfy_jupyter import VariantKey, connect
from docsfy_jupyter.cli import main
from docsfy_jupyter.cli.output import plain

ZONE = r"UTC(?:[+-]\d\d:\d\d)?"
MINUTE = rf"20\d\d-\d\d-\d\d \d\d:\d\d {ZONE}"
SECOND = MINUTE.replace(" UTC", r":\d\d UTC")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(shared_server: Server, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process against the shared server; returns its code and what it printed."""

    def command(*args: str) -> tuple[int, str, str]:
        code = main([args[0], "--url", shared_server.url, "--token", shared_server.token, *args[1:]])
        return code, *capsys.readouterr()

    return command


def document(run: Run, *args: str) -> Any:
    """Run with --json: what is printed is one document and nothing else."""
    code, out, err = run(*args, "--json")
    assert (code, err) == (0, ""), out
    return json.loads(out)


def test_a_variant_goes_through_every_subcommand(run: Run, shared_repo: Path, tmp_path: Path) -> None:
    common = ("--provider", "fake", "--model", "pages=2", "--name", "via-cli")
    code, out, err = run("generate", str(shared_repo), *common)
    assert code == 0
    assert re.match(rf"via-cli · fake/pages=2 · ready · 2 / 2 pages · main · generated {MINUTE} · as of {MINUTE}\n", out)
    assert "The site: http://127.0.0.1:" in out
    assert err.splitlines()[-1] == "✓ Documentation ready!"
    assert "✓ Generated page 2 of 2: Page " in err
    assert document(run, "generate", str(shared_repo), *common)["current_stage"] == "up_to_date"
    assert document(run, "status", "via-cli")["status"] == "ready"
    assert document(run, "status", "via-cli/main/fake/pages=2") == document(run, "status", "via-cli", "fake", "pages=2", "--branch", "main")
    assert "via-cli" in {row["name"] for row in document(run, "list")["projects"]}
    assert "via-cli" in {row["name"] for row in document(run, "runs")["runs"]}
    assert re.search(rf"(?m)^{SECOND}  ready        +\d+\.\d s  via-cli/main/fake/pages=2  by ", run("runs")[1])
    assert ("via-cli", "current") in {(row["name"], row["state"]) for row in document(run, "freshness")["variants"]}
    assert "current  via-cli/main/fake/pages=2" in run("freshness")[1]
    assert document(run, "render", "via-cli")["status"] == "ready"
    path = document(run, "download", "via-cli", "--target", str(tmp_path))["path"]
    with tarfile.open(path) as tar:
        assert any(name.endswith("/index.html") for name in tar.getnames())
    code, _, err = run("download", "via-cli", "--target", str(tmp_path))
    assert (code, err) == (2, f"Error: {path} exists already; name another file, or allow to replace it (--force-output).\n")
    assert run("download", "via-cli", "--target", f"{tmp_path}/no/") == (2, "", f"Error: {tmp_path}/no/ is no folder; make it, or name a file.\n")
    assert document(run, "download", "via-cli", "--target", path, "--force-output") == {"path": path}
    assert document(run, "delete", "via-cli", "--yes") == {"deleted": "via-cli/main/fake/pages=2"}
    code, out, err = run("status", "via-cli")
    assert (code, out) == (2, "")
    assert err.startswith("Error: There is no project 'via-cli'")


def test_who_has_not_committed_is_told_that_it_is_not_documented(run: Run, demo_repo: Path) -> None:
    common = (str(demo_repo), "--provider", "fake", "--model", "pages=1", "--name", "uncommitted")
    assert "Note" not in run("generate", *common)[1]
    (demo_repo / "new.py").write_text("x = 1\n")
    note = f"{demo_repo.resolve()} has uncommitted changes (1 path); the last commit is documented, without them."
    for row in (document(run, "generate", *common), document(run, "status", "uncommitted")):
        assert (row["current_stage"], row["notes"]) == ("up_to_date", [note])
    assert f"\nNote: {note}\n" in run("status", "uncommitted")[1]


def test_render_without_a_name_renders_all_and_tells_which_failed(
    start_server: Callable[..., Server], demo_repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = start_server()
    where = ("--url", server.url, "--token", server.token)
    with connect(server.url, server.token) as client:
        for name in ("one", "two"):
            client.wait(client.generate(demo_repo, provider="fake", model="pages=1", name=name), timeout=90)
    assert main(["render", *where]) == 0
    assert sorted(capsys.readouterr().out.splitlines()) == ["Rendered one/main/fake/pages=1", "Rendered two/main/fake/pages=1"]
    (manifest,) = (path for path in server.data_dir.rglob("manifest.json") if "two" in str(path.relative_to(server.data_dir)))
    manifest.unlink()
    assert main(["render", *where]) == 1
    out = capsys.readouterr().out
    assert "Rendered one/main/fake/pages=1\n" in out
    assert "Failed two/main/fake/pages=1: two/main/fake/pages=1 has no page cache" in out
    assert main(["render", "--json", *where]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in answer["rendered"]] == ["one"]
    assert list(answer["failed"]) == ["two/main/fake/pages=1"]


def test_bad_input_is_one_sentence_and_exit_code_2(run: Run, tmp_path: Path) -> None:
    code, out, err = run("generate", str(tmp_path / "nowhere"))
    assert (code, out) == (2, "")
    assert err.startswith("Error: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(("answer", "code"), [("n\n", 2), ("", 2), ("y\n", 0)])
def test_delete_asks_in_a_terminal(
    run: Run, shared_repo: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    run("generate", str(shared_repo), "--provider", "fake", "--model", "pages=1", "--name", "asked")

    class Typed(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Typed(answer))
    found, _, err = run("delete", "asked")
    assert found == code
    begins, ends = "Delete asked/main/fake/pages=1? Its pages and its site are lost", "The history of its runs stays. [y/N] "
    assert err.startswith(begins)  # what they cost is told of the latest run, which here wrote a page or found none to write
    assert ends in err
    assert run("status", "asked")[0] == (2 if code == 0 else 0)


REFUSED = {
    ("generate", ""): "No repository was named: give a URL such as https://host/owner/repository, or a folder's path.",
    ("generate", "github.com/a/b"): "There is no folder github.com/a/b. For the repository on that host name it whole: https://github.com/a/b",
    ("generate", "/nowhere"): "The repository /nowhere does not exist on the server.",
    ("generate", "/" + "x" * 4000): "REPO: String should have at most 4000 characters",
    ("generate", "file:///x"): "file:// addresses are not allowed; a repository on this machine is given by its path.",
    ("generate", ".", "--name", "a b"): "--name: 'a b' cannot be the name of a project: English letters, digits, '.', '_' and '-', a letter or digit first, at most 100 characters",
    ("generate", ".", "--max-cost-usd", "-1"): "--max-cost-usd: Input should be greater than 0",
    ("generate", ".", "--provider", "fake", "--model", ""): "--model: '' cannot be part of an address: 1 to 200 characters, no control character, not '.' or '..'",
    ("generate", ".", "--no-watch", "--output", "x"): "--output needs the end of the run, which --no-watch does not wait for; leave one of them out.",
    ("download", "x", "--target", "t.zip"): "t.zip would not be what its name says: a site is saved as .tar.gz, as nothing else. Name it t.tar.gz.",
    ("download", "x", "--target", "t.tar.bz2"): "t.tar.bz2 would not be what its name says: a site is saved as .tar.gz, as nothing else. Name it t.tar.gz.",
    ("list", "--data-dir", "x"): "--data-dir is for a private server and --url for one that runs; pass one of the two.",
}  # fmt: skip


@pytest.mark.parametrize(("args", "sentence"), REFUSED.items(), ids=str)
def test_what_is_refused_is_said_in_the_words_of_the_command_line(run: Run, args: tuple[str, ...], sentence: str) -> None:
    assert run(*args) == (2, "", f"Error: {sentence}\n")


MISUSED = {
    ("generate", "R", "--max-cost-usd", "x"): "jupyter docsfy generate: argument --max-cost-usd: invalid float value: 'x'",
    ("generate",): "jupyter docsfy generate: the following arguments are required: REPO",
    ("list", "--frobnicate"): "jupyter docsfy: unrecognized arguments: --frobnicate",
    ("frobnicate",): "jupyter docsfy: argument COMMAND: invalid choice: 'frobnicate' (choose from ",
    (): "jupyter docsfy: the following arguments are required: COMMAND",
}


@pytest.mark.parametrize(("args", "sentence"), MISUSED.items(), ids=str)
def test_arguments_that_are_none_are_a_document_where_one_is_asked_for(
    capsys: pytest.CaptureFixture[str], args: tuple[str, ...], sentence: str
) -> None:
    assert main([*args, "--json"]) == 2
    out, err = capsys.readouterr()
    assert (json.loads(out)["code"], err) == ("usage", "")
    assert json.loads(out)["error"].startswith(sentence)
    assert main(args) == 2
    out, err = capsys.readouterr()
    assert (out, err.startswith("usage: jupyter docsfy ")) == ("", True)
    assert f"Error: {sentence}" in err


def test_options_of_every_command_may_stand_before_it_too(shared_server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "--url", shared_server.url, "--token", "wrong", "list", "--token", shared_server.token]) == 0
    assert "projects" in json.loads(capsys.readouterr().out)
    assert main(["--url", shared_server.url, "list", "--token", "wrong"]) == 3


def test_a_run_that_is_not_watched_says_how_it_is_followed(run: Run, shared_repo: Path) -> None:
    common = ("--provider", "fake", "--model", "pages=1", "--name", "followed")
    code, out, _ = run("generate", str(shared_repo), *common, "--no-watch")
    assert code == 0
    said = out.splitlines()[-1]
    assert said.startswith("It goes on by itself. Follow it: jupyter docsfy status followed/main/fake/pages=1 --url http://")
    assert run(*shlex.split(said.partition("jupyter docsfy ")[2]))[0] == 0


def test_delete_without_a_terminal_wants_yes(run: Run, shared_repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("generate", str(shared_repo), "--provider", "fake", "--model", "pages=1", "--name", "without-terminal")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    code, out, _ = run("delete", "without-terminal", "--json")
    assert (code, json.loads(out)["code"]) == (2, "bad_request")
    assert run("status", "without-terminal")[0] == 0


def test_a_branch_that_is_not_there_names_what_is_near_and_how_its_row_goes(run: Run, shared_repo: Path) -> None:
    code, out, _ = run("generate", str(shared_repo), "--name", "mistyped", "--branch", "mian")
    assert code == 1
    assert f"\n    branch mian not found in {shared_repo}. Did you mean main? Its branches: main" in out
    *_, delete = out.splitlines()[-1].partition("jupyter docsfy ")
    assert delete == "delete mistyped/mian/local/static"
    assert run(*delete.split(), "--yes")[:2] == (0, "Deleted mistyped/mian/local/static\n")
    assert "mistyped" not in run("list")[1]


def test_a_run_that_fails_is_exit_code_1_with_its_reason(run: Run, shared_repo: Path, tmp_path: Path) -> None:
    out_dir = tmp_path / "site"
    model = ("--provider", "fake", "--model", "pages=2,fail=page-1", "--name", "fails", "--output", str(out_dir))
    code, out, err = run("generate", str(shared_repo), *model)
    assert code == 1
    assert "fails · fake/pages=2,fail=page-1 · error · 1 / 2 pages · main" in out
    assert "1 of 2 pages failed: page-1 (" in out
    assert err.splitlines()[-1] == "✗ Generation failed"
    for verb in ("list", "runs", "status"):
        lines = run(verb, *(["fails"] if verb == "status" else []))[1].splitlines()
        at = next(index for index, line in enumerate(lines) if "fails" in line)
        assert " error " in lines[at]
        assert lines[at + 1].startswith("    1 of 2 pages failed: page-1 (")
    assert not out_dir.exists()
    code, out, err = run("generate", str(shared_repo), *model, "--json")
    assert (code, err, json.loads(out)["status"]) == (1, "", "error")


def test_without_watching_a_run_goes_on_and_is_aborted_by_command(run: Run, shared_repo: Path) -> None:
    model = ("--provider", "fake", "--model", "pages=1,sleep=60", "--name", "unwatched")
    assert document(run, "generate", str(shared_repo), *model, "--no-watch")["status"] == "generating"
    code, _, err = run("generate", str(shared_repo), *model)
    assert code == 2
    assert err.startswith("Error: unwatched/main/fake/pages=1,sleep=60 is")
    assert document(run, "abort", "unwatched")["status"] == "aborted"
    code, _, err = run("abort", "unwatched")
    assert code == 2
    assert "aborted" in err


def test_what_a_model_wrote_never_steers_a_terminal() -> None:
    assert plain("a\x1b[2Jb\x9bc\u202ed\r\n") == "a�[2Jb�c�d��"
    assert plain("日本語 · été · 👩‍💻") == "日本語 · été · 👩‍💻"


def test_the_key_of_a_row_is_what_the_command_line_takes(run: Run) -> None:
    key = VariantKey("none", "feature/x", "fake", "org/m:8b", "me")
    code, _, err = run("status", key.address)
    assert (code, err) == (2, "Error: There is no project 'none'; `jupyter docsfy list` names all that there are.\n")
