"""Kernels that do not start are started again, a bounded number of times; a batch that has begun is never run twice."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from docsfy_jupyter.batch.papermill import run_notebook
from docsfy_jupyter.client.discovery import Address

PYTHON = sys.executable
FAKE = """#!{python}
import os, sys, pathlib
count = pathlib.Path({count!r})
tries = int(count.read_text() or 0) + 1
count.write_text(str(tries))
if tries < {good}:
    print("RuntimeError: Kernel died before replying to kernel_info")
    sys.exit(1)
if {begins}:
    with open(os.environ["DOCSFY_BATCH_PROGRESS"], "a") as file:
        file.write('{{"changed": {{}}, "variants": [], "tries": ' + str(tries) + '}}\\n')
sys.exit({code})
"""


@pytest.fixture
def papermill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, int, list[int]]]:
    """Run with a program in papermill's place; returns its exit code, how often it was started, and what it told."""

    def run(good: int, *, begins: bool = True, code: int = 0) -> tuple[int, int, list[int]]:
        count, program = tmp_path / "count", tmp_path / "python"
        count.write_text("", "utf-8")
        program.write_text(FAKE.format(python=PYTHON, count=str(count), good=good, begins=begins, code=code), "utf-8")
        program.chmod(0o755)
        monkeypatch.setattr("docsfy_jupyter.batch.papermill.sys.executable", str(program))
        told: list[int] = []
        ended = run_notebook(tmp_path / "out.ipynb", {}, Address("http://127.0.0.1:9/docsfy/", "t"), lambda news: told.append(news["tries"]))
        return ended.code, int(count.read_text("utf-8")), told

    return run


@pytest.mark.case("P08")
def test_a_kernel_that_does_not_start_is_started_again_but_not_for_ever(papermill: Callable[..., Any]) -> None:
    assert papermill(3) == (0, 3, [3])
    assert papermill(9) == (1, 3, [])


def test_a_batch_that_has_begun_is_not_begun_again(papermill: Callable[..., Any]) -> None:
    assert papermill(1, code=1) == (1, 1, [1])
