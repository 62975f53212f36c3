"""Executes the notebooks against a real server and stores them as they are committed: `make notebooks`."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_notebook
from servers import Server, await_health, end, launch

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
WIDGET = "application/vnd.jupyter.widget-view+json"


def kernel_environment(server: Server, **more: str) -> dict[str, str]:
    """Return the environment of a kernel that this server has started."""
    return {**os.environ, "DOCSFY_JUPYTER_URL": server.api, "DOCSFY_JUPYTER_TOKEN": server.token, **more}


def cleaned(notebook: Any, secrets: tuple[str, ...] = ()) -> Any:
    """Return an executed notebook without what is only true on the machine that ran it.

    The live panels are left out, which show nothing without a kernel; their stills stay, with the time of their truth.

    Raises
    ------
    ValueError
        A secret is in an output.
    """
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = [_without_identity(output) for output in cell.outputs if WIDGET not in output.get("data", {})]
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    notebook.metadata = new_notebook(metadata={"kernelspec": kernel, "language_info": {"name": "python"}}).metadata
    text = nbformat.writes(notebook)
    for word in (*secrets, str(Path.home()) + "/", tempfile.gettempdir() + "/", str(NOTEBOOKS.parent)):
        if word in text:
            raise ValueError(f"{word!r} is in the notebook")
    return notebook


def _without_identity(output: Any) -> Any:
    data = output.get("data", {})
    if "text/html" in data:
        data["text/html"] = re.sub(r'data-docsfy-panel="\w+"', 'data-docsfy-panel=""', data["text/html"])
    return output


def refresh(path: Path, server: Server) -> None:
    """Execute one notebook in its folder and store it."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}})
    client.execute(env=kernel_environment(server))
    nbformat.write(cleaned(notebook, (server.token, server.url)), path)
    print(f"refreshed {path.name}")


def main() -> None:
    """Refresh all of them, on one server without a past."""
    with tempfile.TemporaryDirectory() as home:
        server = launch(Path(home))
        try:
            await_health(server)
            for path in sorted(NOTEBOOKS.glob("0*.ipynb")):  # the batch notebook is a form, filled in by whoever runs it
                refresh(path, server)
        finally:
            end(server)


if __name__ == "__main__":
    main()
