"""Shared fixtures: real git repositories and a real Jupyter server with the extension."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from agents import agents  # noqa: F401 (fixture)
from appearance import axe  # noqa: F401 (fixture)
from browsing import seen, site_browser  # noqa: F401 (fixtures)
from lab import EXPOSED, lab  # noqa: F401 (fixture)
from panels import needs, notebook, open_status, panel_client, panel_messages, panel_relay, show  # noqa: F401 (fixtures)
from servers import FRONTENDS, Server, await_health, end, launch, make_demo_repo
from surroundings import gate, mark, silent_host, silent_hosts, small_disk  # noqa: F401 (fixtures)
from walking import Walk, make_walk

from docsfy_jupyter.generation.process import Processes

HERE = Path(__file__).parent
# of the extra `companions`, which takes longer to install than the rest; where tests decide (CI) they are simply imported
COMPANIONS = [
    name
    for name in ("playwright", "schemathesis", "openapi_spec_validator")
    if find_spec(name) is None and not os.environ.get("CI")
]


@cache
def _needs_companion(path: Path) -> bool:
    return any(re.search(rf"^(from|import) {name}\b", path.read_text("utf-8"), re.MULTILINE) for name in COMPANIONS)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out the test files whose companions are not installed."""
    is_test = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    return True if is_test and _needs_companion(collection_path) else None


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say how much the tests of faults break."""
    parser.addoption("--moments", type=int, default=20, help="faults in tests/faults, one after the other on one server")
    parser.addoption("--aborts", type=int, default=20, help="aborts in tests/faults, at random moments")
    parser.addoption("--examples", type=int, default=20, help="made-up inputs of each kind in tests/badinput")
    parser.addoption("--seed", type=int, default=1, help="which moments")


def pytest_report_header() -> str | None:
    """Say and count what is left out."""
    left_out = [path.name for path in sorted(HERE.rglob("test_*.py")) if _needs_companion(path)]
    if not left_out:
        return None
    return f"LEFT OUT, since {', '.join(COMPANIONS)} is not installed ({len(left_out)} files): {', '.join(left_out)}"


@pytest.fixture
async def processes() -> AsyncIterator[Processes]:
    """The owner of child processes, ended with the test."""
    owner = Processes()
    await owner.start()
    yield owner
    await owner.aclose()


@pytest.fixture
def demo_repo(tmp_path: Path) -> Path:
    """A small Python project on branch main."""
    return make_demo_repo(tmp_path)


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start real servers; they are stopped at the end."""
    servers: list[Server] = []

    def start(*extra: str, **options: Any) -> Server:
        servers.append(launch(tmp_path, *extra, **options))
        await_health(servers[-1])
        return servers[-1]

    yield start
    for server in servers:
        end(server)


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for tests that leave nothing behind that others see."""
    server = launch(tmp_path_factory.mktemp("shared-server"))
    await_health(server)
    yield server
    end(server)


@pytest.fixture(scope="session")
def lab_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with JupyterLab, and with Notebook where that is installed."""
    needs("jupyterlab")
    home = tmp_path_factory.mktemp("lab-server")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DOCSFY_GATE", str(home / "gate"))
        server = launch(home, *EXPOSED, frontends=FRONTENDS)
    await_health(server)
    yield server
    end(server)


@pytest.fixture(scope="session")
def shared_repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project, for tests that share a server."""
    return make_demo_repo(tmp_path_factory.mktemp("shared-repo"))


@pytest.fixture(scope="session")
def walk(shared_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """Ready variants of one repository on the shared server."""
    return make_walk(shared_server, tmp_path_factory.mktemp("walk"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put a module's browser tests last: Playwright's sync interface keeps an event loop running in this thread meanwhile."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
