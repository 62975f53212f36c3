"""The command line in a folder that nobody vouches for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_nothing_of_the_folder_that_one_stands_in_is_imported(tmp_path: Path, demo_repo: Path) -> None:
    for name in ("json", "jinja2", "griffe", "jupyter_server", "docsfy_jupyter"):
        (demo_repo / f"{name}.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w').close()", "utf-8")
    command = [str(Path(sys.executable).with_name("jupyter-docsfy")), "generate", ".", "--data-dir", str(tmp_path / "data")]
    env = {**os.environ, "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"), "JUPYTER_CONFIG_DIR": str(tmp_path / "config")}
    result = subprocess.run(command, env=env, cwd=demo_repo, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
    assert result.returncode == 0, result.stderr[-2000:]
    assert not (tmp_path / "sprung").exists()
