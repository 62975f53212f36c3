"""The files of docs/schedules: they parse, what they name exists, and the Hub's server is awaited."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

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
