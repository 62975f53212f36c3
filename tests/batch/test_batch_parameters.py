"""What a batch file or the notebook's first cell may say, and how faults are told."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from papermill.inspection import inspect_notebook

from docsfy_jupyter import InvalidBody, connect
from docsfy_jupyter.batch.notebook import Batch
from docsfy_jupyter.batch.papermill import packaged_notebook
from docsfy_jupyter.batch.parameters import BatchParameters, read_file, read_parameters
from docsfy_jupyter.batch.text import parse
from docsfy_jupyter.batch.variants import expand, matching
from docsfy_jupyter.cli.wording import in_flags
from docsfy_jupyter.errors import BatchFileWrong

URL = "https://example.invalid/a.git"
GOOD = {"repo": URL}


def wanted(text: str, base: str = "/srv/jobs") -> list[tuple[Any, ...]]:
    """Return what a batch file's text asks for."""
    file = read_file(yaml.safe_load(text))
    return [(one.repo, one.name, one.branch, one.provider, one.model) for one in expand(file, Path(base))]


@pytest.mark.parametrize(
    ("given", "path", "says"),
    [
        ({"varaints": [GOOD]}, "varaints", "did you mean variants?"),
        ({"variants": [{**GOOD, "brnach": "x"}]}, f"variant 1 of 1 ({URL}), brnach", "did you mean branch?"),
        ({"grid": {"repos": ["x"], "modles": []}}, "grid, modles", "did you mean models?"),
        ({"variants": [{**GOOD, "branch": 1.1}]}, f"variant 1 of 1 ({URL}), branch", 'write it in quotes, branch: "1.1"'),
        ({"variants": [{**GOOD, "branch": True}]}, f"variant 1 of 1 ({URL}), branch", "YAML reads on, off, yes and no as true and false"),
        ({"variants": [{**GOOD, "branch": datetime.date(2026, 1, 2)}]}, f"variant 1 of 1 ({URL}), branch", 'write it in quotes, branch: "2026-01-02"'),
        ({"grid": {"repos": ["x"], "branches": [1.1]}}, "grid, branch 1 of 1", "write it in quotes"),
        ({"variants": [{**GOOD, "force": "false"}]}, f"variant 1 of 1 ({URL}), force", "write force: false without quotes"),
        ({"stale_only": "true"}, "stale_only", "write stale_only: true without quotes"),
        ({"stop_on_error": 1}, "stop_on_error", "not true or false"),
        ({"timeout": "60"}, "timeout", "write a number without quotes"),
        ({"timeout": 0}, "timeout", "greater than 0"),
        ({"variants": "../tiny"}, "variants", "must be a list, not a text: begin each entry with a dash, - repo: …"),
        ({"variants": GOOD}, "variants", "begin each entry with a dash"),
        ({"variants": ["https://example.invalid/a"]}, "variant 1 of 1 (https://example.invalid/a)", "write '- repo: https://"),
        ({"variants": [{"name": "a"}]}, "variant 1 of 1, repo", "is needed: a URL, or a path relative to the batch file"),
        ({"variants": [{"repo": ""}]}, "variant 1 of 1, repo", "at least 1 character"),
        ({"variants": [{"repo": "https://me:ghp_X@example.invalid/x/y.git"}]}, "variant 1 of 1, repo", "credential_env: MY_GIT_TOKEN"),
        ({"variants": [{"repo": "https://ghp_X@example.invalid/x/y.git"}]}, "variant 1 of 1, repo", "credential_env: MY_GIT_TOKEN"),
        ({"grid": {"repos": ["x", "HTTPS://me:p/w@example.invalid/x/y.git"]}}, "grid, repo 2 of 2", "credential_env: MY_GIT_TOKEN"),
        ({"grid": {"repos": [{"repo": "ssh://git:pw@example.invalid/y"}]}}, "grid, repo 1 of 1, repo", "credential_env: MY_GIT_TOKEN"),
        ({"variants": [{"repo": "me:ghp_X@example.invalid/x/y.git"}]}, "variant 1 of 1, repo", "credential_env: MY_GIT_TOKEN"),
        ({"variants": [{"repo": "https://example.invalid/x/y.git?private_token=ghp_X"}]}, "variant 1 of 1, repo", "credential_env: MY_GIT_TOKEN"),
        ({"variants": [GOOD], "on_finished": []}, "on_finished", "names no command"),
        ({"variants": [GOOD], "on_finished": " "}, "on_finished", "names no command"),
        ({"variants": [GOOD], "on_finished": [" ", "x"]}, "on_finished", "names no command"),
        ({"variants": [GOOD], "on_finished": 'say "done'}, "on_finished", "close the quotes"),
        ({"variants": [GOOD], "on_finished": ["say", "\0"]}, "on_finished", "null character"),
        ({"variants": [{**GOOD, "publish_dir": "~nobody-of-that-name/www"}]}, f"variant 1 of 1 ({URL}), publish_dir", "the home of nobody here"),
        ({"variants": [GOOD], "base_dir": "~nobody-of-that-name"}, "base_dir", "the home of nobody here"),
        ({True: []}, "True", "write a name in quotes"),
        ({"variants": []}, "", "nothing to do. Write for example:\nvariants:\n  - repo:"),
        ({"variants": [*({**GOOD, "name": f"n{n}"} for n in range(7)), {"repo": "a b"}, GOOD]}, "variant 8 of 9 (a b)", "cannot be the name of a project: give it one, name: my-project"),
        ({"variants": [GOOD, GOOD]}, f"variant 2 of 2 ({URL})", f"as variant 1 of 2 ({URL}) is: leave one out, or give it another name"),
        ({"variants": [GOOD, {"repo": "b/a", "branch": "x"}]}, "variant 2 of 2 (b/a)", "is another repository: give one of them a name"),
        (
            {"variants": [{**GOOD, "publish_dir": "out"}, {**GOOD, "branch": "x", "publish_dir": "out/x"}]},
            f"variant 2 of 2 ({URL})",
            "give each its own folder",
        ),
    ],
)
@pytest.mark.case("P01")
def test_a_fault_is_told_with_its_place_and_how_to_write_it(given: dict[Any, Any], path: str, says: str) -> None:
    with pytest.raises(InvalidBody) as caught:
        expand(read_file(given))
    (fault,) = caught.value.details["faults"]
    assert fault["path"] == path
    assert says in fault["reason"], fault["reason"]
    assert "ghp_X" not in str(caught.value.details) + caught.value.message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("variants: [{repo: a, branch: 1.10}]", 'b.yaml is no batch: variant 1 of 1 (a), branch: 1.10 is no text (1.10 would arrive as 1.1): write it in quotes, branch: "1.10"'),
        ("variants: [{repo: a, branch: on}]", 'write it in quotes, branch: "on"'),
        ("grid: {repos: [a], branches: [main, 2.0]}", 'grid, branch 2 of 2: 2.0 is no text'),
        ("variants: [{repo: a}]\nvariants: [{repo: b}]", "in line 2, column 1: variants is there already, in line 1: write it once"),
        ("variants:\n- repo: a\n  branch: x\n  branch: y", "in line 4, column 3: branch is there already, in line 3"),
        ("variants:\n - repo: a\n  x: 1", "b.yaml is not YAML in line 3, column 3: expected <block end>"),
        ("variants:\n\t- repo: a", "in line 2, column 1: found character '\\t'"),
        ("variants: [{repo: a, branch: 2026-13-01}]", "b.yaml is not YAML: month must be in 1..12"),
        ("a: 1\n---\nb: 2", "but found another document"),
        ("[" * 5000, "is not YAML"),
        ("a: 1\nb: 2", "b.yaml is no batch:\na: there is no a; known here: variants, "),
        ("max_cost_usd: '5'", "b.yaml is no batch: max_cost_usd: '5' is a text: write a number without quotes, such as max_cost_usd: 3600"),
    ],
)
def test_a_text_is_told_by_its_own_lines_and_words(text: str, says: str) -> None:
    with pytest.raises(BatchFileWrong) as caught:
        parse(text, "b.yaml")
    assert says in in_flags(caught.value)
    merged = "x: &x {provider: local}\nvariants:\n- {<<: *x, repo: a}\n- {<<: *x, repo: b, provider: p}"
    with pytest.raises(BatchFileWrong, match="there is no x"):  # which is all that is wrong with it
        parse(merged, "b.yaml")


def test_advice_names_what_is_there_where_the_fault_was_written() -> None:
    for name, given in {"list": {"variants": "../tiny"}, "text": {"variants": [{**GOOD, "branch": 1.1}]}}.items():
        with pytest.raises(InvalidBody) as in_a_file:
            read_file(given)
        assert "papermill" not in in_a_file.value.message
        with pytest.raises(InvalidBody, match="-f FILE or -y, not -p" if name == "list" else "after papermill's -p use -r instead"):
            read_parameters(given)
    with pytest.raises(BatchFileWrong) as caught:
        parse("variants: [{repo: a, branch: 1.10}]", "b.yaml")
    assert caught.value.message.endswith('write it in quotes, branch: "1.10"')


def test_a_cell_of_a_grid_is_named_by_its_repository_as_people_count() -> None:
    with pytest.raises(InvalidBody) as caught:
        expand(read_file({"grid": {"repos": ["a", "x y"], "branches": ["main"], "models": ["local"]}}))
    assert caught.value.message.startswith("grid, repo 2 of 2 (x y), main, local: 'x y' cannot be the name of a project")


@pytest.mark.parametrize(
    "repo",
    ["git@example.invalid:x/y.git", "ssh://git@example.invalid/y", "ssh://git@example.invalid:22/y", "https://example.invalid:8443/x/y@v2", "a@b/c", "https://[::1]:80/x@y"],
)
def test_an_address_without_a_secret_is_taken(repo: str) -> None:
    assert read_file({"variants": [{"repo": repo}], "grid": {"repos": [repo]}}).variants[0].repo == repo


def test_a_token_in_the_servers_url_is_refused_by_the_notebook_which_would_keep_it() -> None:
    for url in ("http://localhost:8888/lab?token=ghp_X", "http://me:ghp_X@localhost:8888/"):
        with pytest.raises(InvalidBody, match="server_url: holds a token, which this notebook keeps") as caught:
            read_parameters({"variants": [GOOD], "server_url": url})
        assert "ghp_X" not in caught.value.message
        assert read_file({"variants": [GOOD], "server_url": url}).server_url == url
    assert read_parameters({"server_url": "http://localhost:8888/?x=1"}).server_url


def test_no_time_limit_reaches_the_notebook_as_none() -> None:
    file = read_file(yaml.safe_load("{variants: [{repo: a}], timeout: null, on_finished: [x]}"))
    given = json.loads(json.dumps(file.parameters()))
    assert read_parameters(given).timeout is None
    assert given["variants"] == [{"repo": "a", "force": False}]
    assert read_parameters(read_file({"variants": [GOOD]}).parameters()).timeout == 14400


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(InvalidBody) as caught:
        read_file({"variants": [{"branch": 1.1, "force": "no"}], "tiemout": 3})
    assert {fault["path"] for fault in caught.value.details["faults"]} == {"variant 1 of 1, repo", "variant 1 of 1, branch", "variant 1 of 1, force", "tiemout"}
    with pytest.raises(InvalidBody, match="a batch file is a mapping"):
        read_file([GOOD])


def test_paths_start_from_the_batch_file_and_names_are_those_of_the_server() -> None:
    text = "variants:\n- repo: ../lib\n- {repo: 'git@example.invalid:team/tool.git', branch: '1.10'}\n- {repo: /abs/x, name: y, provider: p, model: m}"
    assert wanted(text) == [
        ("/srv/lib", "lib", None, None, None),
        ("git@example.invalid:team/tool.git", "tool", "1.10", None, None),
        ("/abs/x", "y", None, "p", "m"),
    ]


def test_a_repository_in_the_home_of_nobody_is_one_that_is_missing() -> None:
    assert wanted("variants: [{repo: ~nobody-of-that-name/x}]") == [("/srv/jobs/~nobody-of-that-name/x", "x", None, None, None)]


def test_a_grid_is_every_repository_with_every_branch_and_model() -> None:
    found = wanted("grid: {repos: [a, {repo: b, name: c}], branches: [main, v1], models: [local, openrouter/meta/llama, {provider: x}]}")
    assert len(found) == len(set(found)) == 12
    assert ("/srv/jobs/b", "c", "v1", "openrouter", "meta/llama") in found
    assert wanted("grid: {repos: [a]}") == [("/srv/jobs/a", "a", None, None, None)]


def test_the_notebooks_parameters_are_those_of_the_model_and_its_help_reads_well() -> None:
    described = inspect_notebook(str(packaged_notebook()))
    assert list(described) == list(BatchParameters.model_fields)
    assert all(entry["inferred_type_name"] != "None" and len(entry["help"]) > 15 for entry in described.values())
    namespace: dict[str, Any] = {}
    (cell,) = [cell for cell in nbformat.read(packaged_notebook(), 4).cells if "parameters" in cell.metadata.get("tags", [])]
    exec(cell.source, namespace)
    namespace.pop("__builtins__")
    namespace.pop("__annotations__")
    assert read_parameters(namespace) == BatchParameters()


@pytest.mark.case("P01")
def test_a_mistyped_parameter_that_papermill_only_warns_of_is_refused_by_the_notebook() -> None:
    namespace = {"variants": [GOOD], "grid": {}, "brnach": "main", "In": [], "_i": "x", "Batch": Batch, "yaml": yaml}
    with pytest.raises(InvalidBody, match="there is no brnach"):
        Batch.of(namespace)


def test_a_batch_file_is_taken_by_the_notebook_which_runs_no_command() -> None:
    with connect("http://127.0.0.1:9/", "none") as client:
        batch = Batch.of({"variants": [GOOD], "on_finished": ["mail"], "In": []}, client)
        assert "on_finished is left to `jupyter docsfy batch`" in repr(batch)
        with pytest.raises(InvalidBody) as caught:
            Batch.of({"on_finishd": ["mail"]}, client)
    assert caught.value.message.count("on_finished") == 0


def test_a_row_is_found_by_what_was_said_and_by_the_servers_defaults() -> None:
    models = {"default_provider": "local", "default_model": "static"}
    row = {"name": "a", "branch": "main", "ai_provider": "local", "ai_model": "static", "is_default_branch": True, "owner": "me"}
    rows = [{**row, "owner": "another"}, row, {**row, "branch": "v1", "is_default_branch": False}, {**row, "ai_model": "other"}]

    def found(**said: str) -> Any:
        (one,) = expand(read_file({"variants": [{**GOOD, **said}]}))
        return matching(one, rows, models, "me")

    assert found() == row
    assert found(branch="v1") == rows[2]
    assert found(model="other") == rows[3]
    assert found(provider="x") is found(name="b") is None
    assert matching(expand(read_file({"variants": [GOOD]}))[0], rows[:1], models, "me") is None  # another's documentation is none of mine
