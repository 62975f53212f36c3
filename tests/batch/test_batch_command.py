"""``jupyter docsfy batch`` as people run it: exit codes, receipts, filters, and the same file twice."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from batching import COMMAND, Bench, ended, outcomes, told
from panels import until
from servers import commit, git

from docsfy_jupyter.batch.forecast import as_lines
from docsfy_jupyter.batch.papermill import Ended
from docsfy_jupyter.batch.result import RESULT_TYPE, BatchResult
from docsfy_jupyter.cli import main
from docsfy_jupyter.cli.batch import _finish, _locked, _tell, _terminable, _why
from docsfy_jupyter.errors import BatchBusy


def result_of(receipt: str) -> dict[str, Any]:
    """Return the result object of a receipt."""
    notebook = nbformat.read(receipt, as_version=4)
    nbformat.validate(notebook)
    (found,) = [out.data[RESULT_TYPE] for cell in notebook.cells for out in cell.get("outputs", []) if RESULT_TYPE in out.get("data", {})]
    return dict(found)


@pytest.mark.case("P04")
@pytest.mark.case("P09")
def test_six_variants_of_three_repositories_until_all_are_up_to_date(bench: Bench, tmp_path: Path) -> None:
    common = {"provider": "fake", "model": "pages=2"}
    repos = [bench.repo(name) for name in ("alpha", "beta", "gamma")]
    git(repos[2], "branch", "-D", "next")
    variants = [{"repo": repo.name, "branch": branch, **common} for repo in repos for branch in ("main", "next")]
    variants[0]["publish_dir"] = "www/alpha"
    finished = ["sh", "-c", "cat > finished.json"]
    file = bench.file("nightly.yaml", variants, on_finished=finished)

    code, first = bench.batch(file, "--summary", str(tmp_path / "summary.md"))
    assert (code, first["ok"], first["counts"]) == (1, False, {"ready": 5, "error": 1})
    (failed,) = [one for one in first["variants"] if one["outcome"] == "error"]
    assert (failed["name"], failed["branch"]) == ("gamma", "next")
    assert "next" in failed["reason"]
    receipt = Path(first["receipt"]).read_text("utf-8")
    assert f"gamma/next/fake/pages=2: error, {failed['reason']}"[:60] in receipt
    assert bench.server.token not in receipt
    assert result_of(first["receipt"]) == {key: value for key, value in first.items() if key != "receipt"}
    assert json.loads((bench.folder / "finished.json").read_text("utf-8")) == first
    assert "| gamma/next/fake/pages=2 | failed |" in (tmp_path / "summary.md").read_text("utf-8")
    assert (bench.folder / "www" / "alpha" / "index.html").is_file()

    code, second = bench.batch(file, "--retry-failed")
    assert (code, second["counts"]) == (1, {"skipped": 5, "error": 1})
    runs = bench.server.call("GET", "api/runs?limit=500").json()["runs"]
    assert sorted(run["name"] for run in runs if run["batch_id"] == second["batch_id"]) == ["gamma"]

    git(repos[2], "branch", "next")
    code, third = bench.batch(file, "--stale-only")
    assert (code, third["counts"]) == (0, {"ready": 1, "skipped": 5})

    code, fourth = bench.batch(file)
    assert (code, fourth["counts"]) == (0, {"up_to_date": 6})
    assert len({one["receipt"] for one in (first, second, third, fourth)}) == 4
    assert fourth["variants"][0]["published"] == str(bench.folder / "www" / "alpha")
    foreseen = fourth["variants"][0]["estimate"]
    assert [foreseen[name] for name in ("pages", "calls", "cost_usd", "at_most", "basis")] == [2, 3, None, True, "variant"]
    assert result_of(fourth["receipt"])["variants"][0]["estimate"] == foreseen

    commit(repos[0], {"NEWS.md": "# New\n"})
    code, dry = bench.batch(file, "--dry-run")
    assert code == 0
    states = {one["variant"].split("/fake")[0]: one["state"] for one in dry["variants"]}
    assert states == {f"{name}/{branch}": "up_to_date" for name in ("alpha", "beta", "gamma") for branch in ("main", "next")} | {"alpha/main": "behind"}
    assert [one["variant"] for one in dry["variants"] if one["runs"]] == ["alpha/main/fake/pages=2"]
    lines = as_lines(dry)
    assert sorted(line.split()[0] for line in lines[:-1]) == ["run", *["skip"] * 5]
    assert lines[-1].startswith("1 of 6 would run, ")
    assert as_lines({**dry, "variants": [one for one in dry["variants"] if one["state"] == "up_to_date"]})[-1] == (
        "0 of 5 would run. Nothing was started."
    )
    assert len(list(file.with_suffix(".runs").iterdir())) == 4


def test_a_dry_run_ends_with_the_code_that_the_batch_would_end_with(bench: Bench) -> None:
    bench.repo("dry")
    wrong = [{"repo": "dry", "provider": ".."}, {"repo": "gone"}, {"repo": "dry", "provider": "nope"}]
    file = bench.file("dry.yaml", [*wrong, {"repo": "dry", "provider": "local"}])
    code, dry = bench.batch(file, "--dry-run")
    assert [(one["state"], one["runs"]) for one in dry["variants"]] == [("refused", False)] * 3 + [("new", True)]
    assert code == 1
    assert bench.rows("dry") == []
    code, document = bench.batch(file)
    assert (code, document["counts"]) == (1, {"ready": 1, "refused": 3})
    for said in (dry, document):  # in the words of the file, not in those of the request
        first, second = (one["reason"] for one in said["variants"][:2])
        assert first.startswith("provider: '..' cannot be part of an address")
        assert second == f"The repository {bench.folder / 'gone'} does not exist on the server."
    assert bench.batch(bench.file("dry2.yaml", [{"repo": "dry", "provider": "local"}]), "--dry-run")[0] == 0


def test_a_second_batch_of_the_same_file_is_kept_away_and_the_next_one_joins_what_goes_on(bench: Bench) -> None:
    bench.repo("delta")
    bench.gate.touch()
    file = bench.file("held.yaml", [{"repo": "delta", "provider": "fake", "model": "pages=2,hold=page-2"}])
    first = bench.begin(file)
    bench.held("delta", 1)
    code, refused = bench.batch(file)
    assert (code, refused["code"]) == (1, "batch_busy")
    first.terminate()
    out, _ = first.communicate(timeout=60)
    assert first.returncode == 130
    assert "cut off" in out
    (row,) = bench.rows("delta")
    assert row["status"] == "generating"  # killing the batch aborts nothing
    second = bench.begin(file, "--json")
    until(lambda: told(second), "the second batch has joined")
    bench.gate.unlink()
    code, document = ended(second)
    (one,) = document["variants"]
    assert (code, one["generation_id"]) == (0, row["generation_id"])
    assert one["outcome"] in ("ready", "up_to_date")


def test_killed_with_abort_on_exit_its_runs_are_aborted(bench: Bench) -> None:
    bench.repo("epsilon")
    bench.gate.touch()
    file = bench.file("abort.yaml", [{"repo": "epsilon", "provider": "fake", "model": "pages=2,hold=page-2"}])
    child = bench.begin(file, "--json", "--abort-on-exit")
    bench.held("epsilon", 1)
    child.terminate()
    code, document = ended(child)
    assert (code, document["variants"][0]["outcome"]) == (130, "aborted")
    assert [row["status"] for row in bench.rows("epsilon")] == ["aborted"]
    bench.gate.unlink()


FREE = """
import pathlib, sys
from docsfy_jupyter.cli.batch import _locked

with _locked(pathlib.Path("secret.yaml")):  # a command that hangs would keep nobody away
    pathlib.Path("told.json").write_text(sys.stdin.read())
"""


def test_the_token_in_a_files_server_url_is_used_and_written_nowhere(bench: Bench, tmp_path: Path) -> None:
    bench.repo("omega")
    told = [sys.executable, "-c", FREE]
    url = f"{bench.server.url}lab?token={bench.server.token}"
    file = bench.file("secret.yaml", [{"repo": "omega", "provider": "fake", "model": "pages=1"}], server_url=url, on_finished=told)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DOCSFY_JUPYTER_")}
    where = ["--output", str(tmp_path / "runs"), "--summary", str(tmp_path / "summary.md")]
    done = subprocess.run([*COMMAND, str(file), *where], env=environment, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr
    (receipt,) = (tmp_path / "runs").iterdir()
    written = [path.read_text("utf-8") for path in (receipt, tmp_path / "summary.md", bench.folder / "told.json", bench.server.log)]
    for text in (*written, done.stdout, done.stderr):
        assert text
        assert bench.server.token not in text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("variants: [{repo: a, branch: 1.1}]", "write it in quotes"),
        ("variants: [", "is not YAML"),
        ("", "a batch file is a mapping"),
        ("variants: []", "nothing to do"),
        ("{variants: [{repo: a}], on_finished: []}", "on_finished: names no command"),
        ("{variants: [{repo: 'https://me:ghp_X@example.invalid/x/y.git'}]}", "credential_env: MY_GIT_TOKEN"),
    ],
)
def test_a_file_that_is_wrong_is_exit_code_2_and_nothing_is_started(text: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "batch.yaml"
    file.write_text(text, "utf-8")
    assert main(["batch", str(file), "--output", str(tmp_path / "runs")]) == 2
    assert says in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["batch.yaml"]
    assert main(["batch", str(tmp_path / "none.yaml")]) == 2


@pytest.mark.parametrize(("summary", "says"), [("none/summary.md", "there is no folder"), (".", "is a folder")])
def test_a_summary_that_cannot_be_written_is_told_before_anything_starts(summary: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "batch.yaml"
    file.write_text("variants: [{repo: a}]", "utf-8")
    where = ["--url", "http://127.0.0.1:9/", "--output", str(tmp_path / "runs")]
    assert main(["batch", str(file), *where, "--summary", str(tmp_path / summary)]) == 2
    assert says in capsys.readouterr().err


def test_a_folder_that_takes_no_receipt_is_told_before_anything_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "batch.yaml"
    file.write_text("variants: [{repo: a}]", "utf-8")
    for folder in (file, file / "runs"):
        assert main(["batch", str(file), "--url", "http://127.0.0.1:9/", "--output", str(folder)]) == 2
        assert f"--output: {file} is a file; receipts need a folder." in capsys.readouterr().err


@pytest.mark.parametrize("ignored", [False, True])
def test_a_terminal_that_is_closed_ends_a_batch_as_a_key_does_unless_nohup_was_said(ignored: bool) -> None:
    handler = signal.SIG_IGN if ignored else signal.SIG_DFL
    before = signal.signal(signal.SIGHUP, handler)
    try:
        with _terminable():
            if ignored:
                signal.raise_signal(signal.SIGHUP)
            for number in [signal.SIGTERM] if ignored else [signal.SIGTERM, signal.SIGHUP]:
                with pytest.raises(KeyboardInterrupt):
                    signal.raise_signal(number)
        assert signal.getsignal(signal.SIGHUP) == handler
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_file_that_was_saved_by_renaming_meanwhile_is_still_the_same_batch(tmp_path: Path) -> None:
    file = tmp_path / "batch.yaml"
    file.write_text("variants: [{repo: a}]", "utf-8")
    with _locked(file):
        (tmp_path / "saved").write_text("variants: [{repo: b}]", "utf-8")
        (tmp_path / "saved").replace(file)
        (tmp_path / "link.yaml").symlink_to(file)
        for same in (file, tmp_path / "link.yaml"):
            with pytest.raises(BatchBusy), _locked(same):
                pass
        other = tmp_path / "other.yaml"
        other.write_text("variants: [{repo: a}]", "utf-8")
        with _locked(other):
            pass
    with _locked(file):
        pass


@pytest.mark.parametrize(("command", "says"), [(["/none/there"], "could not be started: No such file"), ("sh -c 'exit 3'", "ended with exit code 3")])
def test_what_follows_a_summary_that_fails_is_told_in_a_line_each(command: Any, says: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    result = BatchResult("2026-11-25T03:00:00+00:00", "2026-11-25T03:00:01+00:00", ())
    options = argparse.Namespace(summary=str(tmp_path / "gone" / "summary.md"), json=True, file=str(tmp_path / "batch.yaml"))
    _finish(command, _tell(result, tmp_path / "receipt.ipynb", options), tmp_path)
    shown = capfd.readouterr()
    assert [line.split(": ")[0] for line in shown.err.splitlines()] == ["--summary", "on_finished"]
    assert says in shown.err
    assert json.loads(shown.out)["variants"] == []


@pytest.mark.parametrize(
    ("ended_so", "error", "says"),
    [
        (Ended(130, "", {}), ("KeyboardInterrupt", ""), "it was interrupted."),
        (Ended(-9, "Executing notebook with kernel: python3\n", {}), None, "papermill was ended by SIGKILL."),
        (Ended(1, "", {}), ("DeadKernelError", "Kernel died"), "DeadKernelError: Kernel died"),
        (Ended(1, "x\nNo space left on device\n", {}), None, "No space left on device"),
        (Ended(2, "", {}), None, "papermill ended with exit code 2."),
    ],
)
def test_what_cut_a_batch_off_is_told(ended_so: Ended, error: tuple[str, str] | None, says: str) -> None:
    assert _why(ended_so, error) == says


def test_no_server_is_exit_code_3_and_no_papermill_names_the_line_that_installs_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "batch.yaml"
    file.write_text("variants: [{repo: a}]", "utf-8")
    assert main(["batch", str(file), "--url", "http://127.0.0.1:9/", "--output", str(tmp_path / "runs")]) == 3
    capsys.readouterr()
    monkeypatch.setitem(sys.modules, "papermill", None)  # what Python knows of a package that is not there
    monkeypatch.setattr(sys, "executable", "/my env/python")
    assert main(["batch", str(file)]) == 1
    assert capsys.readouterr().err == (
        "Error: Nothing was started: a batch is run as a notebook, and papermill is not installed. Install what it needs: "
        "'/my env/python' -m pip install 'docsfy-jupyter[batch]'\n"
    )
    monkeypatch.setitem(sys.modules, "ipykernel", None)
    assert main(["batch", str(file), "--json"]) == 1
    assert "papermill and ipykernel are not installed." in json.loads(capsys.readouterr().out)["error"]


def test_without_a_server_it_has_a_private_one_for_its_time(bench: Bench, tmp_path: Path) -> None:
    bench.repo("private")
    file = bench.file("private.yaml", [{"repo": "private"}])
    shutil.copy(file, tmp_path / "same.yaml")
    command = [sys.executable, "-c", "import sys; from docsfy_jupyter.cli import main; sys.exit(main())"]
    options = ["--data-dir", str(tmp_path / "data"), "--output", str(tmp_path / "runs"), "--json"]
    done = subprocess.run([*command, "batch", str(file), *options], capture_output=True, text=True, timeout=150, cwd=tmp_path, check=False)
    document = json.loads(done.stdout)
    assert (done.returncode, outcomes(document)) == (0, {"private/main": "ready"}), done.stderr
    assert document["variants"][0]["provider"] == "local"
