"""The files of docs/schedules: they parse, what they name exists, and the Hub's server is awaited."""

from __future__ import annotations

import ast
import getpass
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from batching import Bench

from docsfy_jupyter.batch.parameters import BatchFile, read_file, read_parameters
from docsfy_jupyter.batch.result import OUTCOMES
from docsfy_jupyter.batch.variants import expand
from docsfy_jupyter.cli.arguments import parser

FOLDER = Path(__file__).parents[2] / "docs" / "schedules"
GUIDE = FOLDER.with_suffix(".md").read_text("utf-8")


def module(name: str) -> ModuleType:
    """Load a file of the folder."""
    spec = spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    found = module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_the_batch_file_is_one() -> None:
    wanted = expand(read_file(yaml.safe_load((FOLDER / "batch.yaml").read_text("utf-8"))), Path("/srv/docs"))
    assert len(wanted) == 6
    assert wanted[0].branch == "1.10"
    assert wanted[1].repo == "/srv/service"


def test_every_command_in_them_is_one_of_ours() -> None:
    texts = {path.name: path.read_text("utf-8") for path in FOLDER.iterdir() if path.suffix in (".sh", ".yaml")}
    lines = [line for text in (*texts.values(), GUIDE) for line in re.findall(r"jupyter docsfy (batch batch\.yaml[^#\n`]*)", text)]
    assert len(lines) == 5
    for line in lines:
        words = [word.strip('"') for word in line.split() if word not in ('"$@"', "$where")]
        options = parser().parse_args(words)
        assert options.file == "batch.yaml"
    assert subprocess.run(["sh", "-n", str(FOLDER / "nightly.sh")], check=False).returncode == 0


def test_the_workflow_is_one_and_runs_nothing_that_is_not_there() -> None:
    workflow = yaml.safe_load((FOLDER / "github-actions.yaml").read_text("utf-8"))
    (job,) = workflow["jobs"].values()
    steps = [step["run"] for step in job["steps"] if "run" in step]
    assert any("docsfy-jupyter[batch]" in step for step in steps)
    for step in steps:
        assert subprocess.run(["sh", "-n", "-c", step], check=False).returncode == 0
    assert job["steps"][-1]["if"] == "always()"  # receipts of a failed night are the ones that are read


def test_the_guide_names_every_parameter_option_and_outcome() -> None:
    told = set(re.findall(r"`([a-z_]+)`", GUIDE))
    assert set(BatchFile.model_fields) - told == set()
    assert set(OUTCOMES) - told == set()
    for option in ("--output", "--dry-run", "--retry-failed", "--stale-only", "--summary", "--abort-on-exit", "--json"):
        assert option in GUIDE
    for name in re.findall(r"\]\(schedules/([^)]+)\)", GUIDE):
        assert (FOLDER / name).is_file()


def test_jupyter_scheduler_gets_source_in_which_texts_have_quotes() -> None:
    batch = yaml.safe_load((FOLDER / "batch.yaml").read_text("utf-8"))
    body = module("jupyter_scheduler_job").definition("batch.ipynb", batch, "http://localhost:8888/")
    assert body["parameters"]["server_url"] == "'http://localhost:8888/'"
    pasted = {name: ast.literal_eval(source) for name, source in body["parameters"].items()}
    assert read_parameters(pasted).variants[0].branch == "1.10"
    json.dumps(body)


def like_cron(line: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of a crontab as cron does: by sh, at home, with these four variables alone."""
    command = line.split(maxsplit=5)[5].replace("/srv/docs", str(home / "docs"))
    environment = {"HOME": str(home), "LOGNAME": getpass.getuser(), "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}
    return subprocess.run(["/bin/sh", "-c", command], env=environment, cwd=home, capture_output=True, text=True, timeout=150, check=False)


def test_the_line_for_the_crontab_brings_the_file_up_to_date(bench: Bench, tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    script = (FOLDER / "nightly.sh").read_text("utf-8")
    (line,) = re.findall(r"^#\s+(\d.* /srv/docs/nightly\.sh .*)$", script, re.MULTILINE)
    (docs / "nightly.sh").write_text(script.replace("http://127.0.0.1:8888/", bench.server.url))
    (docs / "nightly.sh").chmod(0o755)
    (docs / "token").write_text(bench.server.token)
    repo = bench.repo("nächtlich")
    variants = [{"repo": str(repo), "name": "nightly", "provider": "fake", "model": "pages=1"}]
    (docs / "batch.yaml").write_text(yaml.safe_dump({"variants": variants}, allow_unicode=True), "utf-8")

    assert like_cron(line, tmp_path).returncode == 127
    assert "jupyter docsfy is not in " in (docs / "nightly.log").read_text("utf-8")
    (docs / "venv" / "bin").mkdir(parents=True)
    for name in ("jupyter", "jupyter-docsfy"):
        (docs / "venv" / "bin" / name).symlink_to(Path(sys.prefix) / "bin" / name)
    done = like_cron(line, tmp_path)
    log = (docs / "nightly.log").read_text("utf-8")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), log
    assert "nightly/main/fake/pages=1 · ready" in log
    assert bench.server.token not in log
    assert "1 ready of 1 variant" in (docs / "last-summary.md").read_text("utf-8")
    assert len(list((docs / "runs").iterdir())) == 1


@pytest.mark.parametrize("own_server", [True, False])
def test_the_workflows_last_command_does_its_work_and_fails_when_a_variant_does(bench: Bench, tmp_path: Path, own_server: bool) -> None:
    (job,) = yaml.safe_load((FOLDER / "github-actions.yaml").read_text("utf-8"))["jobs"].values()
    (step,) = [step["run"] for step in job["steps"] if "jupyter docsfy batch" in step.get("run", "")]
    repo = bench.repo(f"workflow{own_server}")
    good, bad = {"repo": str(repo), "provider": "local"}, {"repo": str(repo), "name": "gone", "branch": "gone"}
    given = {"JUPYTER_URL": "", "DOCSFY_JUPYTER_TOKEN": ""}  # as GitHub sets what the repository has not
    if not own_server:
        given = {"JUPYTER_URL": bench.server.url, "DOCSFY_JUPYTER_TOKEN": bench.server.token}
    environment = {
        "HOME": str(tmp_path), "PATH": f"{Path(sys.prefix) / 'bin'}:/usr/bin:/bin", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"), **given
    }  # fmt: skip
    for variants, code, says in (([good, bad], 1, "1 ready, 1 failed of 2 variants"), ([good], 0, "1 up to date of 1 variant")):
        (tmp_path / "batch.yaml").write_text(yaml.safe_dump({"variants": variants}), "utf-8")
        command = ["bash", "-e", "-c", step]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=150, check=False)
        assert done.returncode == code, done.stderr
        assert says in (tmp_path / "summary").read_text("utf-8")
    assert (tmp_path / ".docsfy").is_dir() is own_server
    assert len(list((tmp_path / "runs").iterdir())) == 2


class Hub(BaseHTTPRequestHandler):
    """A Hub whose server is ready at the third look."""

    looks = 0
    started: list[str] = []  # noqa: RUF012

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def answer(self, status: int, body: object) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self) -> None:
        if self.headers["Authorization"] != "token secret":
            self.answer(403, {"message": "Action is not authorized"})
            return
        self.started.append(self.path)
        self.answer(202, None)

    def do_GET(self) -> None:
        Hub.looks += 1
        self.answer(200, {"servers": {"": {"ready": Hub.looks > 2, "url": "/user/ada@x/"}}})


@pytest.fixture
def hub() -> Iterator[str]:
    """Its address."""
    server = HTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_hubs_server_is_started_by_its_api_and_awaited(hub: str) -> None:
    start_server = module("hub_batch").start_server
    assert start_server(hub, "secret", "ada@x", pause=0.01) == f"{hub}user/ada@x/"
    assert Hub.started == ["/hub/api/users/ada%40x/server"]
    assert Hub.looks == 3
    with pytest.raises(RuntimeError, match="403"):
        start_server(hub, "wrong", "ada@x", pause=0.01)
