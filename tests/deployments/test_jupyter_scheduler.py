"""jupyter-scheduler runs the batch notebook: made as the guide says, executed by it, its output read back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import nbformat
import pytest
import yaml
from companions import environment
from servers import Server, await_health, end, launch

from docsfy_jupyter.batch.papermill import packaged_notebook
from docsfy_jupyter.batch.result import RESULT_TYPE

SCHEDULER = "jupyter-scheduler==2.12.1"
GUIDES_FILE = Path(__file__).parents[2] / "docs" / "schedules" / "jupyter_scheduler_job.py"
ENDED = ("COMPLETED", "FAILED", "STOPPED")


@pytest.fixture(scope="module")
def scheduling_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with jupyter-scheduler, in an environment that has it, and the batch notebook in its contents folder."""
    home = tmp_path_factory.mktemp("scheduling")
    python = environment(SCHEDULER) / "python"
    root = home / "root"
    for folder in (home / "jupyter", root):  # where its database goes, and where it puts what it downloads: its working directory
        folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_DATA_DIR", str(home / "jupyter"))
        server = launch(home, frontends=["jupyter_scheduler"], python=str(python), cwd=root)
    try:
        await_health(server)
        shutil.copy(packaged_notebook(), root / "batch_regenerate.ipynb")
        yield server
    finally:
        end(server)


def ask(server: Server, method: str, path: str, **options: Any) -> Any:
    """Send a request to the server itself, not to our extension."""
    headers = {"Authorization": f"token {server.token}"}
    answer = httpx.request(method, f"{server.url}{path}", headers=headers, timeout=60, trust_env=False, **options)
    assert answer.is_success, (method, path, answer.status_code, answer.text)
    return answer.json() if answer.content else None


def awaited(server: Server, job: str, until: Callable[[dict[str, Any]], object], seconds: float = 120) -> dict[str, Any]:
    """Return what the scheduler says of a job once something holds of it."""
    limit = time.monotonic() + seconds
    while not until(state := ask(server, "GET", f"scheduler/jobs/{job}")):
        assert time.monotonic() < limit, state
        time.sleep(0.3)
    return dict(state)


def notebook_of(state: dict[str, Any]) -> str | None:
    """Return where a job's executed notebook lies in the contents, None before it is there."""
    return next((file["file_path"] for file in state["job_files"] if file["file_format"] == "ipynb"), None)


def test_a_job_that_is_made_as_the_guide_says_completes_and_its_output_has_the_result(
    scheduling_server: Server, shared_repo: Path, tmp_path: Path
) -> None:
    server = scheduling_server
    batch = {"variants": [{"repo": "demo", "provider": "fake", "model": "pages=2", "branch": "main"}], "timeout": 200}
    (shared_repo.parent / "batch.yaml").write_text(yaml.safe_dump(batch))
    command = [sys.executable, str(GUIDES_FILE), server.url, "batch.yaml", "batch_regenerate.ipynb"]
    env = {**os.environ, "JUPYTER_TOKEN": server.token}
    made = subprocess.run(command, cwd=shared_repo.parent, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert made.returncode == 0, made.stderr
    definition = made.stdout.split()[-1]
    described = ask(server, "GET", f"scheduler/job_definitions/{definition}")
    assert (described["schedule"], described["active"]) == ("15 3 * * *", True)

    job = ask(server, "POST", f"scheduler/job_definitions/{definition}/jobs", json={})["job_id"]
    # a new one says STOPPED before it starts
    state = awaited(server, job, lambda job: job["status"] in ENDED and job["start_time"] is not None)
    assert (state["status"], state["status_message"]) == ("COMPLETED", None), server.log.read_text()[-3000:]
    ask(server, "GET", f"scheduler/jobs/{job}/download_files")
    output = awaited(server, job, notebook_of)
    book = nbformat.from_dict(ask(server, "GET", f"api/contents/{notebook_of(output)}")["content"])
    results = [
        json.loads(data) if isinstance(data := shown["data"][RESULT_TYPE], str) else data
        for cell in book.cells
        for shown in cell.get("outputs", [])
        if RESULT_TYPE in shown.get("data", {})
    ]
    assert len(results) == 1
    (variant,) = results[0]["variants"]
    assert (results[0]["ok"], variant["outcome"], variant["pages_done"]) == (True, "ready", 2)
    row = server.call("GET", "api/variant", params={"name": "demo", "provider": "fake", "model": "pages=2"}).json()
    assert (row["generation_id"], row["status"]) == (variant["generation_id"], "ready")
