"""The project that comes with the notebooks, and the repository that is made of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from refresh_notebooks import NOTEBOOKS
from servers import free_port, git

PROJECT = NOTEBOOKS / "demo_project"


def make(temporary: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Make the repository as a notebook does, in a process with a temporary folder of its own."""
    script = "import demo_repository; print(demo_repository.make_repository())"
    return python(script, TMPDIR=str(temporary), **environment)


def python(script: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python where the helper can be imported."""
    env = {**os.environ, "PYTHONPATH": str(NOTEBOOKS), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    return subprocess.run([sys.executable, "-c", script, *words], env=env, capture_output=True, text=True, timeout=60, check=False)


def test_the_project_keeps_its_own_promises() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--noconftest", "-p", "no:cacheprovider", str(PROJECT)]
    env = {**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_the_same_files_are_the_same_commits_everywhere_and_every_time(tmp_path: Path) -> None:
    listings = []
    for name, who in (("one", "Ada"), ("two", "Ben"), ("one", "Ben")):
        (tmp_path / name).mkdir(exist_ok=True)
        done = make(tmp_path / name, GIT_AUTHOR_NAME=who, GIT_DIR="/nowhere", HOME=str(tmp_path))
        assert done.returncode == 0, done.stderr
        listings.append((Path(done.stdout.strip()).relative_to(tmp_path / name), git(Path(done.stdout.strip()), "for-each-ref")))
    assert listings[0] == listings[1] == listings[2]
    repository = tmp_path / "one" / listings[0][0]
    assert git(repository, "diff", "--name-only", "main", "summer") == "bakery/summer.py"
    assert [path.name for path in repository.parent.iterdir()] == ["bakery"]  # what was made on the way is gone


def test_a_repository_that_was_changed_is_made_again(tmp_path: Path) -> None:
    repository = Path(make(tmp_path).stdout.strip())
    before = git(repository, "rev-parse", "main")
    (repository / "README.md").write_text("something else")
    git(repository, "commit", "-qam", "of somebody else")
    assert git(Path(make(tmp_path).stdout.strip()), "rev-parse", "main") == before


def test_a_folder_that_somebody_else_laid_out_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / f"docsfy-demo-{os.getuid()}").symlink_to(tmp_path / "theirs")
    done = make(tmp_path)
    assert done.returncode == 1
    assert "belongs to somebody else; set TMPDIR" in done.stderr


@pytest.mark.parametrize(
    ("repository", "said"),
    [
        ("", "REPOSITORY is empty, so nothing was done."),
        ("https://no-such-host.invalid/x/y", "no-such-host.invalid cannot be reached from here"),
        ("/some/folder", "None"),
        ("git@example.org:x/y", "None"),
    ],
)
def test_a_repository_out_of_reach_is_left_alone_with_a_sentence(repository: str, said: str) -> None:
    script = "import sys, demo_repository; print(demo_repository.why_not(sys.argv[1]))"
    done = python(script, repository, HTTPS_PROXY="", https_proxy="", ALL_PROXY="", all_proxy="")
    assert done.stdout.startswith(said)


def test_behind_a_proxy_git_may_try(tmp_path: Path) -> None:
    script = "import demo_repository; print(demo_repository.why_not('https://no-such-host.invalid/x'))"
    assert python(script, HTTPS_PROXY=f"http://127.0.0.1:{free_port()}").stdout == "None\n"
