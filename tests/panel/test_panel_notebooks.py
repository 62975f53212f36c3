"""Notebooks with a panel, run by papermill and by a bare kernel, on both generations of ipykernel; and what they leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel
from panels import needs
from servers import Server

OLD_KERNEL = ["ipykernel==6.31.*", "nest-asyncio"]


@pytest.fixture(scope="session")
def old_ipykernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ipykernel 6.31, which comes before the installed one on a path."""
    folder = tmp_path_factory.mktemp("ipykernel6")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--disable-pip-version-check", "--target", str(folder)]
    try:
        done = subprocess.run([*command, *OLD_KERNEL], capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        pytest.skip("ipykernel 6.31 could not be installed within two minutes")
    if done.returncode:
        pytest.skip(f"ipykernel 6.31 could not be installed: {done.stderr[-200:]}")
    return folder


@pytest.fixture(params=["7", "6"])
def ipykernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The generation of ipykernel that kernels of this test have."""
    if request.param == "6":
        monkeypatch.setenv("PYTHONPATH", str(request.getfixturevalue("old_ipykernel")))
    return str(request.param)


def outputs(book: Any, kind: str) -> list[dict[str, Any]]:
    return [output for cell in book.cells for output in cell.outputs if output.output_type == kind]


@pytest.mark.case("W01", "W10", "P10")
def test_papermill_leaves_the_last_state_in_every_form_and_no_token(
    notebook: Callable[..., Path], shared_server: Server, shared_repo: Path, ipykernel: str
) -> None:
    needs("papermill")
    model = f"pages=5,sleep=0.2,kernel={ipykernel}"
    path = notebook(
        f"import ipykernel\nassert ipykernel.__version__.startswith('{ipykernel}.'), ipykernel.__version__\n"
        "import docsfy_jupyter\nclient = docsfy_jupyter.connect()\n"
        f"row = client.generate({str(shared_repo)!r}, provider='fake', model={model!r}, name='papermill')",
        f"from docsfy_jupyter import StatusPanel\npanel = StatusPanel('papermill', 'fake', {model!r}, poll_interval=1)\npanel",
        "import time\nfor _ in range(5):\n    time.sleep(0.1)",
        "panel.wait(120).status.value",
    )
    done = path.with_name("out.ipynb")
    command = [sys.executable, "-W", "ignore", "-m", "papermill", str(path), str(done), "--no-progress-bar"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=180, cwd=path.parent)
    assert ran.returncode == 0, ran.stderr[-3000:]
    book = nbformat.read(done, as_version=4)
    nbformat.validate(book)
    still, live = outputs(book, "display_data")
    assert "· ready · 5 / 5 pages" in still["data"]["text/plain"]
    assert "· ready · 5 / 5 pages" in still["data"]["text/html"]
    assert "as of " in still["data"]["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in live["data"]
    assert outputs(book, "stream") == [], "nothing is printed, from no thread"
    assert [output["data"]["text/plain"] for output in outputs(book, "execute_result")] == ["'ready'"]
    saved = book.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    panel = saved[live["data"]["application/vnd.jupyter.widget-view+json"]["model_id"]]["state"]
    assert (panel["state"]["view"]["page_count"], panel["state"]["view"]["percent"]) == (5, 100)
    assert panel["entries"][-1]["text"] == "Documentation ready!"
    assert shared_server.token not in done.read_text("utf-8")


class Kernel:
    """A real kernel, told what a front end tells: the code, and in which cell it stands."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self._client = client

    def run(self, code: str, cell: str = "", seconds: float = 60) -> list[dict[str, Any]]:
        """Run code; return its outputs."""
        message = self._client.session.msg("execute_request", {"code": code, "silent": False, "store_history": True})
        message["metadata"] = {"cellId": cell} if cell else {}
        self._client.shell_channel.send(message)
        found: list[dict[str, Any]] = []
        while True:
            said = self._client.get_iopub_msg(timeout=seconds)
            if said["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            if said["msg_type"] == "error":
                raise AssertionError("\n".join(said["content"]["traceback"]))
            if said["msg_type"] == "status" and said["content"]["execution_state"] == "idle":
                return found
            found.append({"type": said["msg_type"], **said["content"]})

    def value(self, expression: str) -> Any:
        """Return what an expression is, by JSON."""
        printed = self.run(f"import json\nprint(json.dumps({expression}))")
        return json.loads("".join(output["text"] for output in printed if output["type"] == "stream"))


@pytest.fixture
def kernel(notebook: Callable[..., Path], ipykernel: str) -> Iterator[Kernel]:
    """A kernel that finds the shared server."""
    manager, client = start_new_kernel(kernel_name="python3", env=dict(os.environ))
    yield Kernel(client)
    client.stop_channels()
    manager.shutdown_kernel(now=True)


COUNT = """import gc, threading
from ipywidgets.widgets.widget import _instances
def left():
    gc.collect()
    threads = [t.name for t in threading.enumerate() if t.name.startswith('docsfy ')]
    return [len(threads), len(_instances)]"""


@pytest.mark.case("W04")
def test_a_cell_that_is_run_twenty_times_leaves_one_panel(
    kernel: Kernel, shared_server: Server, shared_repo: Path, ipykernel: str
) -> None:
    body = {"repo_path": str(shared_repo), "provider": "fake", "model": "plansleep=60", "name": f"twenty-{ipykernel}"}
    assert shared_server.call("POST", "api/generate", json=body).status_code == 202
    kernel.run(f"{COUNT}\nfrom docsfy_jupyter import StatusPanel")
    show = f"StatusPanel({body['name']!r}, 'fake', 'plansleep=60')"
    for _ in range(20):
        kernel.run(show, cell="a")
    assert kernel.value("left()") == [1, 2], "one thread; one panel and its layout"
    kernel.run(show, cell="b")
    assert kernel.value("left()") == [1, 4], "a panel in another cell stands beside it"
    kernel.run("1", cell="a")
    assert shared_server.call("POST", f"api/projects/{body['name']}/fake/plansleep=60/abort").status_code == 200


@pytest.mark.case("W11")
def test_a_panel_without_a_server_is_one_sentence_in_a_cell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DOCSFY_JUPYTER_URL", "JUPYTERHUB_SERVICE_URL", "JPY_PARENT_PID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    code = "from docsfy_jupyter import StatusPanel; StatusPanel('demo', 'local', 'static')._ipython_display_()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    assert "No running Jupyter server was found" in done.stdout
    assert "connect(url=" in done.stdout
