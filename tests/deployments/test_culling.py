"""An idle server is culled; one that works is not, and a page that only polls is no work."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from browsing import Seen
from panels import until
from servers import Server

IDLE = 4  # seconds


@pytest.mark.browser
@pytest.mark.case("J09")
@pytest.mark.case("O02")
def test_a_server_lives_until_its_run_has_ended_and_pages_that_poll_do_not_keep_it(
    start_server: Callable[..., Server], seen: Seen, shared_repo: Path, gate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    server = start_server(f"--ServerApp.shutdown_no_activity_timeout={IDLE}", frontends=["hasty"])
    seen.page.goto(f"{server.url}api/status?token={server.token}")  # logs the browser in
    body = {"repo_path": str(shared_repo), "branch": "main", "ai_provider": "fake", "ai_model": "pages=1,hold=plan"}
    assert server.call("POST", "api/generate", json=body).status_code == 202
    began = time.monotonic()
    seen.page.goto(server.api)
    seen.page.get_by_text("Generating…").wait_for()
    beside = seen.page.context.new_page()
    beside.goto(f"{server.api}status/nobody/main/local/static")
    beside.wait_for_selector(".docsfy-panel[data-state='missing']")
    polls: list[str] = []
    for page in (seen.page, beside):
        page.on("request", lambda request: polls.append(request.url))
    until(lambda: beside.wait_for_timeout(100) or time.monotonic() > began + 3 * IDLE, "the run is longer than the time-out")
    assert server.process.poll() is None
    polls.clear()
    gate.unlink()

    until(lambda: beside.wait_for_timeout(100) or server.process.poll() is not None, "the idle server is culled", 90)

    gone = datetime.now(UTC)
    assert server.process.returncode == 0
    with duckdb.connect(server.data_dir / "docsfy.duckdb", read_only=True) as database:
        ((outcome, started, ended),) = database.execute("SELECT outcome, started_at, ended_at FROM runs").fetchall()
    assert outcome == "ready", "it was not culled while it worked"
    assert (ended - started).total_seconds() > 2 * IDLE
    assert (gone - ended).total_seconds() > IDLE
    for path in ("api/projects", "api/variant"):
        assert sum(path in url for url in polls) >= 2, "both pages went on polling"
