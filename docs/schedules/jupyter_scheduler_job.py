"""Makes a job of jupyter-scheduler that runs the batch notebook every night.

``python jupyter_scheduler_job.py http://localhost:8888/ batch.yaml batch_regenerate.ipynb``, with the server's token in
``JUPYTER_TOKEN``. The notebook is a copy of docsfy_jupyter/batch/batch_regenerate.ipynb in the server's contents folder.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

import yaml


def parameters(batch: dict[str, object], server_url: str) -> dict[str, str]:
    """Return the job's parameters: they are pasted into a cell as source, so a text needs quotes of its own.

    The kernel runs in a staging folder and is no child of the server: the server is named, and relative paths start from the
    batch file's folder.
    """
    known = {name: value for name, value in batch.items() if name != "on_finished"}
    return {name: repr(value) for name, value in {**known, "server_url": server_url}.items()}


def definition(notebook: str, batch: dict[str, object], server_url: str) -> dict[str, object]:
    """Return the body of ``POST scheduler/job_definitions``."""
    return {
        "name": "docs",
        "input_uri": notebook,
        "runtime_environment_name": "python3",
        "output_formats": ["ipynb"],
        "schedule": "15 3 * * *",
        "timezone": "UTC",
        "parameters": parameters(batch, server_url),
    }


def main(server_url: str, file: str, notebook: str) -> None:
    """Make the job."""
    batch = yaml.safe_load(Path(file).read_text("utf-8"))
    batch.setdefault("base_dir", str(Path(file).absolute().parent))
    request = urllib.request.Request(
        f"{server_url.rstrip('/')}/scheduler/job_definitions",
        json.dumps(definition(notebook, batch, server_url)).encode(),
        {"Authorization": f"token {os.environ['JUPYTER_TOKEN']}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            print("The job definition is", json.load(answer)["job_definition_id"])
    except urllib.error.HTTPError as error:
        sys.exit(f"The server answered {error.code}: {error.read().decode()[:1000]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
