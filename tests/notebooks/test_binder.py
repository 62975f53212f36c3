"""Binder: what repo2docker makes of binder/, and its steps replayed as a visitor meets them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from own_network import own_network

ROOT = Path(__file__).parents[2]
PLACEHOLDER = "OWNER/REPOSITORY"
TESTS = Path(__file__).parents[1]


def run(*command: str | Path, cwd: Path, seconds: float = 170, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a program and return what it said."""
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=seconds, check=False, stdin=subprocess.DEVNULL, **more)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone, as Binder makes one."""
    folder = tmp_path_factory.mktemp("binder") / "checkout"
    run("git", "clone", "-q", ROOT, folder, cwd=ROOT).check_returncode()
    return folder


@pytest.fixture(scope="module")
def visited(checkout: Path) -> dict[str, Any]:
    """Build the environment as the image does, then visit it in a network that leads nowhere."""
    environment, home = checkout.parent / "environment", checkout.parent / "home"
    run(sys.executable, "-m", "venv", "--upgrade-deps", environment, cwd=checkout).check_returncode()
    # without compiling what is never imported: 20 CPU seconds of a test
    programs = {**os.environ, "PATH": f"{environment / 'bin'}:{os.environ['PATH']}", "PIP_NO_COMPILE": "1"}
    began = time.monotonic()
    installed = run("pip", "install", "-q", "-r", "binder/requirements.txt", cwd=checkout, seconds=280, env=programs)
    assert installed.returncode == 0, installed.stderr[-3000:]
    built = run("binder/postBuild", cwd=checkout, env=programs)
    assert built.returncode == 0, built.stdout[-1000:] + built.stderr[-3000:]
    seconds = round(time.monotonic() - began)
    picture = ROOT / "build" / "screenshots" / "binder.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    script = [sys.executable, Path(__file__).with_name("binder_visit.py"), checkout, environment, home, picture]
    done = run(*own_network(), *script, cwd=checkout, seconds=240, env={**os.environ, "PYTHONPATH": str(TESTS)})
    assert done.returncode == 0, done.stderr[-3000:] + (home / "server.log").read_text("utf-8")[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"Binder: built in {seconds} s, first site after {found['seconds_to_ready']} s, at most {found['peak_bytes'] / 1e6:.0f} MB")
    return found


def badge() -> str:
    """Return the address that README's badge leads to."""
    (address,) = re.findall(r"^\[binder\]: (\S+)$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    return str(address)


def test_the_repository_is_a_placeholder_in_one_place() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert text.count(PLACEHOLDER) == 1
    assert urlsplit(badge()).path == f"/v2/gh/{PLACEHOLDER}/HEAD"


def test_the_badge_opens_the_quickstart_in_jupyterlab() -> None:
    (opened,) = parse_qs(urlsplit(badge()).query)["labpath"]
    assert unquote(opened) == "notebooks/01_quickstart.ipynb"
    assert (ROOT / opened).is_file()


def test_the_scripts_can_be_started() -> None:
    assert [name for name in ("postBuild", "start") if not os.access(ROOT / "binder" / name, os.X_OK)] == []


@pytest.mark.case("A14")
def test_orphans_have_an_init_that_takes_them(tmp_path: Path) -> None:
    assert "tini" in (ROOT / "binder" / "apt.txt").read_text("utf-8").split()
    init = tmp_path / "tini"
    init.write_text('#!/bin/sh\necho "$@"\n')
    init.chmod(0o755)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    assert run(ROOT / "binder" / "start", "jupyter", "lab", cwd=tmp_path, env=path).stdout == "-s -g -- jupyter lab\n"


@pytest.fixture(scope="module")
def dockerfile(checkout: Path) -> str:
    """What repo2docker, in an environment of its own, makes of a clone."""
    environment = checkout.parent / "repo2docker"
    run(sys.executable, "-m", "venv", environment, cwd=checkout).check_returncode()
    installed = run(environment / "bin" / "pip", "install", "-q", "jupyter-repo2docker", cwd=checkout)
    if installed.returncode:
        pytest.skip(f"repo2docker cannot be installed: {installed.stderr.strip().splitlines()[-1][:200]}")
    rendered = run(environment / "bin" / "jupyter-repo2docker", "--no-build", "--debug", ".", cwd=checkout)
    assert rendered.returncode == 0, rendered.stderr[-3000:]
    return rendered.stdout + rendered.stderr


def test_repo2docker_renders_an_image_of_a_supported_python(dockerfile: str) -> None:
    found = re.search(r"environment\.py-3\.(\d+)-|environment-2epy-2d3-2e(\d+)-", dockerfile)
    assert found is not None
    assert int(found[1] or found[2]) >= 11
    assert re.search(r"apt-get install .*\btini\b", dockerfile)


def test_the_package_is_installed_after_its_files_are_there(dockerfile: str) -> None:
    steps = ["COPY .*src/ ", 'pip install .*-r "binder/requirements.txt"', "RUN ./binder/postBuild", "ENV R2D_ENTRYPOINT=.*binder/start"]
    places = [[found.start() for found in re.finditer(step, dockerfile)] for step in steps]
    assert [len(found) for found in places] == [1, 1, 1, 1]
    assert sorted(places) == places


@pytest.mark.browser
@pytest.mark.timeout(600)  # the first test waits for the environment
@pytest.mark.case("O01")
@pytest.mark.skipif(sys.platform != "linux" or shutil.which("chromium") is None, reason="needs Linux and chromium")
class TestVisit:
    """One visit, looked at from several sides."""

    def test_the_first_site_is_there_within_a_minute(self, visited: dict[str, Any]) -> None:
        assert visited["seconds_to_ready"] < 60
        assert "bakery (main) is ready." in visited["outputs"]
        assert visited["live_panels"] == 1

    def test_the_link_opens_the_site_under_the_visitors_own_address(self, visited: dict[str, Any]) -> None:
        assert unquote(urlsplit(visited["site"]).path) == "/user/demo@x/docsfy/docs/bakery/main/local/static/"
        assert "bakery" in visited["title"]

    def test_it_needs_less_than_a_gigabyte(self, visited: dict[str, Any]) -> None:
        assert 50e6 < visited["peak_bytes"] < 1e9, visited["parts"]

    def test_the_visitor_is_told_that_binder_forgets(self, visited: dict[str, Any]) -> None:
        assert "You are on Binder. It forgets everything" in visited["outputs"]

    def test_the_server_ends_when_it_is_told(self, visited: dict[str, Any]) -> None:
        assert visited["exit"] == 0
