"""The example notebooks: as they are committed, and run again on other machines."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbval.plugin import get_sanitize_patterns
from refresh_notebooks import NOTEBOOKS, WIDGET, kernel_environment
from servers import Server, await_health, commit, end, free_port, git, launch

FIRST = ("01_quickstart.ipynb", "02_monitoring.ipynb")
NAMES = (*FIRST, "03_history.ipynb", "04_compare_models.ipynb")
SANITISE = NOTEBOOKS / "nbval-sanitize.cfg"
each = pytest.mark.parametrize("name", NAMES)


def read(name: str) -> nbformat.NotebookNode:
    """Read a committed notebook."""
    return nbformat.read(NOTEBOOKS / name, as_version=4)


def code_cells(name: str) -> list[nbformat.NotebookNode]:
    """Return its code cells."""
    return [cell for cell in read(name).cells if cell.cell_type == "code"]


def run_nbval(environment: dict[str, str], *names: str) -> subprocess.CompletedProcess[str]:
    """Compare what notebooks say now with what they said when they were committed."""
    command = [
        sys.executable, "-m", "pytest", "-c", os.devnull, f"--rootdir={NOTEBOOKS}", "-q", "--tb=short", "--durations=0", "-vv", "--noconftest",
        "-p", "no:cacheprovider", "-p", "nbval.plugin", "--nbval", "--nbval-current-env", f"--nbval-sanitize-with={SANITISE}", "--nbval-cell-timeout=90",
        *(str(NOTEBOOKS / name) for name in names),
    ]  # fmt: skip
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # loading what else is installed costs seconds
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280, check=False)


def sanitised(text: str) -> str:
    """Return what nbval compares of a text."""
    for pattern, word in get_sanitize_patterns(SANITISE.read_text("utf-8")):
        text = re.sub(pattern, word, text)
    return text


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the notebooks' own: what they document stays on it."""
    found = launch(tmp_path_factory.mktemp("notebooks"))
    await_health(found)
    yield found
    end(found)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A temporary folder of this module, so that the demo repository is made anew."""
    return str(tmp_path_factory.mktemp("scratch"))


@pytest.mark.case("N01")
@pytest.mark.case("N02")
def test_the_notebooks_say_today_what_they_said_when_they_were_committed(server: Server, scratch: str) -> None:
    said = run_nbval(kernel_environment(server, TMPDIR=scratch), *NAMES)
    assert said.returncode == 0, said.stdout[-4000:]
    assert f"{sum(len(code_cells(name)) for name in NAMES)} passed" in said.stdout


@pytest.mark.case("N01")
def test_they_say_the_same_in_another_time_zone_temporary_folder_and_address(tmp_path: Path) -> None:
    elsewhere = tmp_path / "another temporary folder"
    elsewhere.mkdir()
    there = launch(tmp_path, base_url="/user/demo@x/")
    try:
        await_health(there)
        said = run_nbval(kernel_environment(there, TMPDIR=str(elsewhere), TZ="Pacific/Apia"), *FIRST)
    finally:
        end(there)
    assert said.returncode == 0, said.stdout[-4000:]


@pytest.mark.case("N03")
@pytest.mark.parametrize("name", FIRST)  # the others begin with the same cell
def test_a_dead_server_is_named_within_half_a_minute(name: str) -> None:
    address = {"DOCSFY_JUPYTER_URL": f"http://127.0.0.1:{free_port()}/docsfy/", "DOCSFY_JUPYTER_TOKEN": "none"}
    said = run_nbval({**os.environ, **address}, name)
    assert said.returncode == 1
    took = [float(seconds) for seconds in re.findall(r"^(\d+\.\d+)s call", said.stdout, re.MULTILINE)]
    assert 0 < sum(took) < 30
    assert "RuntimeError: The server extension does not answer. " in re.sub(r"\x1b\[[\d;]*m", "", said.stdout)


@pytest.mark.case("N03")
@each
def test_whatever_waits_has_a_limit(name: str) -> None:
    waits = [
        call
        for cell in code_cells(name)
        for call in ast.walk(ast.parse(cell.source, type_comments=False))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in ("wait", "done")
    ]
    limits_a_batch = any('"timeout": float(TIMEOUT)' in cell.source for cell in code_cells(name))
    assert waits or limits_a_batch
    assert [ast.unparse(call) for call in waits if "timeout" not in {word.arg for word in call.keywords}] == []


@pytest.mark.case("P02")
@each
def test_one_cell_before_all_others_holds_the_parameters(name: str) -> None:
    tagged = [cell for cell in code_cells(name) if "parameters" in cell.metadata.get("tags", [])]
    assert tagged == code_cells(name)[:1]
    for statement in ast.parse(tagged[0].source).body:
        assert isinstance(statement, ast.Assign)
        ast.literal_eval(statement.value)


@pytest.mark.case("P09")
@each
def test_papermill_runs_it_from_the_root_folder(name: str, server: Server, scratch: str, tmp_path: Path) -> None:
    before = set(os.listdir("/"))
    out = tmp_path / "out.ipynb"
    command = [sys.executable, "-m", "papermill", str(NOTEBOOKS / name), str(out), "-p", "TIMEOUT", "90", "--no-progress-bar"]
    environment = kernel_environment(server, TMPDIR=scratch)
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    notebook = nbformat.read(out, as_version=4)
    assert [cell.source for cell in notebook.cells if "injected-parameters" in cell.metadata.get("tags", [])] != []
    assert server.token not in out.read_text("utf-8")
    assert set(os.listdir("/")) == before


def test_models_are_compared_on_a_repository_of_ones_own_and_a_past_is_only_read(server: Server, scratch: str, tmp_path: Path) -> None:
    repo = tmp_path / "tool"
    repo.mkdir()
    git(repo, "init", "-q", "-b", "trunk")
    commit(repo, {"README.md": "# Tool\n", "tool.py": '"""A tool."""\n'})
    git(repo, "branch", "side")
    environment = kernel_environment(server, TMPDIR=scratch)

    def papermill(name: str, *options: str) -> tuple[int, str]:
        out = tmp_path / name
        command = [sys.executable, "-m", "papermill", str(NOTEBOOKS / name), str(out), "--no-progress-bar", *options]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200, check=False)
        return done.returncode, f"{out.read_text('utf-8')}{done.stderr}"

    sides = 'SIDES: ["local/static", "local/static@side"]'
    code, said = papermill("04_compare_models.ipynb", "-p", "REPOSITORY", str(repo), "-y", sides)
    assert (code, "tool/trunk/local/static is ready" in said, "tool/side/local/static is ready" in said) == (0, True, True), said[-2000:]
    code, said = papermill("04_compare_models.ipynb", "-p", "REPOSITORY", str(repo), "-y", sides.replace("@side", "@gone"))
    assert code == 1
    assert "Fewer than two sides are ready; the list above says why." in said
    assert "tool/gone/local/static is error branch gone not found" in said
    before = server.call("GET", "api/runs").json()["total"]
    code, said = papermill("03_history.ipynb")
    assert (code, "There is a past: nothing is started." in said) == (0, True), said[-2000:]
    assert server.call("GET", "api/runs").json()["total"] == before


@each
def test_it_is_committed_as_it_was_executed(name: str) -> None:
    notebook = read(name)
    nbformat.validate(notebook)
    cells = code_cells(name)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert len(outputs) >= len(cells) // 2
    assert [output for output in outputs if output.output_type == "error"] == []
    assert [output for output in outputs if WIDGET in output.get("data", {})] == []  # without a kernel it shows an error


@pytest.mark.case("N02")
@each
def test_its_cells_print_to_one_stream(name: str) -> None:
    streams = [output.name for cell in code_cells(name) for output in cell.outputs if output.output_type == "stream"]
    assert set(streams) == {"stdout"}


@each
def test_nothing_of_the_machine_is_in_it(name: str) -> None:
    text = (NOTEBOOKS / name).read_text("utf-8")
    personal = r"token[=\s:]\s*\w|/home/|/root/|/Users/|/tmp/|/var/folders|127\.0\.0\.1|localhost|[0-9a-f]{32}|site-packages"
    assert re.findall(personal, text) == []


@pytest.mark.case("N01")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("as of 2026-11-25 09:13", "as of 2027-01-02T23:59:58.123456+00:00"),
        ("as of 2026-11-25 09:13 UTC", "as of 2026-11-25 14:43 UTC+05:30"),
        ("from /tmp/docsfy-demo-0/bakery", "from /var/folders/xy/T/docsfy-demo-501/bakery"),
        ("in docsfy-a8f_x", "in docsfy-q1"),
        ("<Variant at 0x7f3c21>", "<Variant at 0xFFFF0000>"),
        ("run 123e4567-e89b-12d3-a456-426614174000", "run 00000000e89b42d3a456426614174fff"),
        ("http://127.0.0.1:8888/docsfy/", "http://127.0.0.1:43121/docsfy/"),
        ("took 1.25 s", "took 3 seconds"),
        ("Cloned, at commit 6a2c42e", "Cloned, at commit 0123456789abcdef0123456789abcdef01234567"),
        ("saved in /home/ada/sites", "saved in /Users/ben/sites"),
        ("saved in /root/sites", "saved in /home/ben/sites"),
        ("docsfy_jupyter 0.1.0", "docsfy_jupyter 1.12.3rc1"),
    ],
)
def test_what_differs_between_machines_is_sanitised(one: str, other: str) -> None:
    assert sanitised(one) == sanitised(other) != one


@pytest.mark.parametrize("text", ["ready, 15 of 15 pages", "bakery/main is ready", "wheat 1000 g, water 700 g", "added bakery.summer"])
def test_what_matters_is_not_sanitised(text: str) -> None:
    assert sanitised(text) == text
