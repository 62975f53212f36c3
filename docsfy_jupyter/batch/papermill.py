"""papermill as a child process: in a server's or a caller's own process it would change the working folder and the signals."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from docsfy_jupyter.batch.progress import VARIABLE, ProgressReader
from docsfy_jupyter.batch.receipts import has_begun
from docsfy_jupyter.client.discovery import URL_VARIABLE, Address
from docsfy_jupyter.errors import ClientError
from docsfy_jupyter.temporary import owned_folder

# without a grammar of international addresses, which takes 3 CPU seconds to load and which no notebook's check needs
_LAUNCH = "import sys; sys.modules['rfc3987_syntax'] = None; from papermill.cli import papermill; papermill()"
_STARTS = 3  # kernels that may fail to start: their ports are chosen before they are taken
_LOOK = 0.1  # seconds between looks at the progress
_PATIENCE = (("SIGINT", 5.0), ("SIGTERM", 3.0), ("SIGKILL", 5.0))  # how a child is asked to end, and seconds it has


@dataclass(frozen=True)
class Ended:
    """How papermill ended.

    Parameters
    ----------
    code : int
        Its exit code.
    log : str
        The end of what it wrote.
    last : mapping
        The last progress that the kernel told; empty where it told none.
    """

    code: int
    log: str
    last: Mapping[str, Any]


def packaged_notebook() -> Path:
    """Return the notebook that comes with the package; in a checkout that of its ``notebooks`` folder."""
    inside = Path(__file__).with_name("batch_regenerate.ipynb")
    return inside if inside.is_file() else Path(__file__).parents[2] / "notebooks" / "batch_regenerate.ipynb"


def check_installed() -> None:
    """Say what is missing to run notebooks.

    Raises
    ------
    ClientError
        With the line that installs it.
    """
    missing = [name for name in ("papermill", "ipykernel") if find_spec(name) is None]
    if missing:
        line = f"{shlex.quote(sys.executable)} -m pip install 'docsfy-jupyter[batch]'"
        lacks = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed"
        raise ClientError(f"Nothing was started: a batch is run as a notebook, and {lacks}. Install what it needs: {line}")


def run_notebook(
    receipt: Path,
    parameters: Mapping[str, Any],
    address: Address,
    show: Callable[[Mapping[str, Any]], None],
    certificates: str | None = None,
) -> Ended:
    """Run the batch notebook to its end.

    Parameters
    ----------
    receipt : Path
        The file that receives it.
    parameters : mapping
        JSON-able; paths in it are absolute.
    address : Address
        The server, with its token, which reaches the kernel by its environment alone.
    show : callable
        Called with every progress that the kernel tells.
    certificates : str, optional
        A file of certificates to trust.

    Raises
    ------
    KeyboardInterrupt
        papermill and its kernel are ended by then; the runs on the server are not.
    """
    with owned_folder("docsfy-batch-") as (folder, held):
        values = folder / "parameters.yaml"  # JSON is YAML, and keeps every type
        values.write_text(json.dumps(dict(parameters)), "utf-8")
        _write_kernel(folder)
        _temporary(folder).mkdir()
        command = [
            *(sys.executable, "-P", "-c", _LAUNCH, str(packaged_notebook()), str(receipt.absolute()), "-f", str(values)),
            *("--kernel", "python3", "--no-progress-bar", "--autosave-cell-every", "5"),
        ]
        for _ in range(_STARTS):
            ended = _attempt(command, folder, held, _environment(folder, address, certificates), show)
            if ended.code == 0 or ended.last or has_begun(receipt):
                break
        return ended


def _attempt(
    command: list[str], folder: Path, held: tuple[int, ...], env: Mapping[str, str], show: Callable[[Mapping[str, Any]], None]
) -> Ended:
    told, log = folder / "progress.jsonl", folder / "papermill.log"
    told.write_text("", "utf-8")
    reader = ProgressReader(told)
    try:
        # the working folder is an empty one: a kernel imports what lies in it
        with log.open("wb") as out, _child(command, cwd=folder, env=env, stdout=out, stderr=out, pass_fds=held) as child:
            while child.poll() is None:
                _show_news(reader, show)
                time.sleep(_LOOK)
    finally:
        _show_news(reader, show)  # what it told last, however it ended: runs that nobody knows of are aborted by nobody
    return Ended(child.returncode, log.read_text("utf-8", "replace")[-4000:], reader.last)


def _show_news(reader: ProgressReader, show: Callable[[Mapping[str, Any]], None]) -> None:
    for news in reader.news():
        show(news)


@contextmanager
def _child(command: list[str], **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Have a child in a session of its own, so that a Ctrl-C reaches us first; it is gone afterwards."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, **options)
    try:
        yield child
    finally:
        for name, seconds in _PATIENCE:
            if child.poll() is not None:
                break
            os.killpg(child.pid, getattr(signal, name))
            try:
                child.wait(seconds)
            except subprocess.TimeoutExpired:
                continue


def _environment(folder: Path, address: Address, certificates: str | None) -> dict[str, str]:
    paths = [str(folder / "jupyter"), *filter(None, [os.environ.get("JUPYTER_PATH")])]
    own = {
        URL_VARIABLE: address.url,
        "DOCSFY_JUPYTER_TOKEN": address.token,
        VARIABLE: str(folder / "progress.jsonl"),
        "JUPYTER_PATH": os.pathsep.join(paths),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        # papermill that is killed leaves the kernel's ports and key there, which goes with the folder
        "TMPDIR": str(_temporary(folder)),
    }
    trusted = {"SSL_CERT_FILE": str(Path(certificates).expanduser().absolute())} if certificates else {}
    return {**os.environ, **own, **trusted}


def _temporary(folder: Path) -> Path:
    """Return the folder for what papermill and its kernel write for a time."""
    return folder / "tmp"


def _write_kernel(folder: Path) -> None:
    """Define the kernel: this very Python, whatever the user's ``python3`` kernel is."""
    spec = folder / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    described = {"argv": argv, "display_name": "Python 3 (ipykernel)", "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(described), "utf-8")
