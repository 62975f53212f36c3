"""What operators watch: Prometheus metrics at ``/metrics``, and events of the server's event log; over a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from agents import Agents
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from recording import finished, running, start
from servers import Server, await_health, end, launch
from tornado.httpclient import HTTPClientError
from tornado.websocket import websocket_connect
from walking import path_of

from docsfy_jupyter.generation.metrics import Metrics, RunMeter, process_metrics
from docsfy_jupyter.models import Stage, Status
from docsfy_jupyter.server import status_events

FAILING = "pages=3,fail=page-2"
SECRET = "ghp_0123456789abcdefghijABCDEFGHIJ012345"

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def sample(samples: Samples, name: str, **labels: str) -> float:
    return samples[f"docsfy_{name}", frozenset(labels.items())]


def scraped(server: Server) -> Samples:
    """Read ``/metrics`` as Prometheus does."""
    answer = httpx.get(f"{server.url}metrics", headers={"Authorization": f"token {server.token}"}, trust_env=False)
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.text)
    found = [one for family in families for one in family.samples if one.name.startswith("docsfy_")]
    samples = {(one.name, frozenset(one.labels.items())): one.value for one in found}
    assert len(samples) == len(found), "no name with the same labels twice"
    return samples


def generate(server: Server, repo: Path, name: str, provider: str = "fake", model: str = "pages=3", **more: Any) -> str:
    body = {"repo_path": str(repo), "name": name, "branch": "main", "ai_provider": provider, "ai_model": model, **more}
    answer = server.call("POST", "api/generate", json=body)
    assert answer.status_code == 202, answer.text
    return path_of(name, "main", provider, model)


@asynccontextmanager
async def subscribed(server: Server, token: str) -> AsyncIterator[list[dict[str, Any]]]:
    """Hear the server's events as JupyterLab does; the list grows as they come."""
    heard: list[dict[str, Any]] = []
    socket = await websocket_connect(f"{server.url.replace('http', 'ws', 1)}api/events/subscribe?token={token}")

    async def listen() -> None:
        while (message := await socket.read_message()) is not None:
            heard.append(json.loads(message))

    listening = asyncio.create_task(listen())
    try:
        yield heard
    finally:
        socket.close()
        await listening


def of_ours(heard: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in heard if event["schema_id"] == status_events.SCHEMA_ID and event["name"] == name]


async def test_metrics_count_runs_pages_calls_and_costs_and_name_no_repository(
    start_server: Callable[..., Server], agents: Agents, gate: Path, shared_repo: Path
) -> None:
    server = await asyncio.to_thread(start_server, "--DocsfyApp.max_concurrent_generations=1")
    before = scraped(server)
    assert sample(before, "runs_total", provider="claude", outcome="ready") == 0, "a rate begins at a known zero"
    assert await asyncio.to_thread(run_each_way, server, shared_repo, gate, agents)
    now = scraped(server)
    assert sample(now, "runs_total", provider="claude", outcome="ready") == 1
    assert sample(now, "pages_total", provider="claude", outcome="fresh") == 3
    assert sample(now, "calls_total", provider="claude", outcome="ok") == 4, "a plan and three pages"
    assert sample(now, "cost_usd_total", provider="claude") == 1.0
    assert sample(now, "runs_total", provider="fake", outcome="error") == 2
    assert sample(now, "runs_total", provider="fake", outcome="aborted") == 2
    assert sample(now, "pages_total", provider="fake", outcome="failed") == 2
    assert sample(now, "pages_total", provider="fake", outcome="cached") == 2, "the second run had two of its pages"
    assert sample(now, "unpriced_calls_total", provider="fake") >= 6, "what nobody knows is no zero"
    assert sample(now, "cost_usd_total", provider="fake") == 0
    assert sample(now, "stage_seconds_count", stage="rendering") == 1
    assert sample(now, "stage_seconds_count", stage="queued") == 4, "the queued run that was aborted never left"
    assert (sample(now, "runs_working"), sample(now, "runs_queued")) == (0, 0)
    labels = {value for _, pairs in now for _, value in pairs}
    known = set(server.call("GET", "api/models").json()["providers"])
    bounds = {value for name, pairs in now for label, value in pairs if label == "le"}
    outcomes = {"ready", "error", "aborted", "fresh", "cached", "failed", "ok"}
    assert labels <= known | outcomes | bounds | {stage.value for stage in Stage}
    assert httpx.get(f"{server.url}metrics", trust_env=False).status_code == 403, "as Jupyter's own: for who is logged in"


def run_each_way(server: Server, repo: Path, gate: Path, agents: Agents) -> bool:
    """Run to every end, and look at the gauges while one works and one waits."""
    assert server.ended(generate(server, repo, "priced", "claude", "m"))["status"] == "ready"
    assert [server.ended(generate(server, repo, "broken", model=FAILING))["status"] for _ in range(2)] == ["error"] * 2
    held = generate(server, repo, "held", model="pages=1,hold=plan")
    server.wait(held, lambda row: row.get("current_stage") == "planning")
    waiting = generate(server, repo, "waiting", model="pages=1")
    server.wait(waiting, lambda row: row.get("current_stage") == "queued")
    now = scraped(server)
    assert (sample(now, "runs_working"), sample(now, "runs_queued")) == (1, 1)
    return all(server.call("POST", f"{path}/abort").status_code == 200 for path in (waiting, held))


async def test_two_managers_of_one_process_share_its_metrics(tmp_path: Path, demo_repo: Path) -> None:
    before = process_metrics().runs.labels("fake", "ready")._value.get()
    async with running(tmp_path / "one") as one, running(tmp_path / "two") as two:
        for manager in (one, two):
            assert (await finished(manager, await start(manager, demo_repo))).status is Status.READY
    assert process_metrics().runs.labels("fake", "ready")._value.get() == before + 2


def test_a_run_that_never_began_leaves_no_gauge_up() -> None:
    registry = CollectorRegistry()
    meter = RunMeter(Metrics(registry), "fake")
    assert registry.get_sample_value("docsfy_runs_queued") == 1
    meter.end()
    meter.end(Status.READY)
    assert registry.get_sample_value("docsfy_runs_queued") == 0
    assert registry.get_sample_value("docsfy_runs_total", {"provider": "fake", "outcome": "ready"}) is None


@pytest.fixture
def demo_server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A server whose event log goes into a file too, as an administrator would have it."""
    home = tmp_path_factory.mktemp("events")
    config = home / "config" / "jupyter_server_config.py"
    config.parent.mkdir()
    log = home / "events.log"
    config.write_text(f"import logging\nc.EventLogger.handlers = [logging.FileHandler({str(log)!r})]\n")
    server = launch(home, "--DocsfyApp.allowed_url_schemes=http", "--DocsfyApp.allow_private_hosts=True")
    await_health(server)
    yield server, log
    end(server)


async def test_a_subscriber_hears_each_status_once_and_no_secret(demo_server: tuple[Server, Path], shared_repo: Path) -> None:
    server, log = demo_server
    async with subscribed(server, server.token) as heard:
        path = await asyncio.to_thread(generate, server, shared_repo, "told")
        await asyncio.to_thread(server.ended, path)
        body = {"repo_url": f"http://me:{SECRET}@127.0.0.1:9/o/r.git", "name": "secret", "branch": "main"}
        answer = await asyncio.to_thread(server.call, "POST", "api/generate", json=body)
        assert answer.status_code == 202, answer.text
        async with asyncio.timeout(60):
            while len(of_ours(heard, "told")) < 2 or len(of_ours(heard, "secret")) < 2:
                await asyncio.sleep(0.05)
    row = server.call("GET", path).json()
    began, ended = of_ours(heard, "told")
    assert (began["status"], ended["status"]) == ("generating", "ready")
    assert began["generation_id"] == ended["generation_id"] == row["generation_id"]
    assert {name: ended[name] for name in ("branch", "ai_provider", "ai_model", "owner", "page_count", "last_commit_sha")} == {
        name: row[name] for name in ("branch", "ai_provider", "ai_model", "owner", "page_count", "last_commit_sha")
    }
    failed = of_ours(heard, "secret")[1]
    assert (failed["status"], failed["failed_stage"]) == ("error", "cloning")
    assert SECRET not in json.dumps(heard)
    logged = log.read_text()
    assert logged.count(status_events.SCHEMA_ID) == 4
    assert SECRET not in logged


async def test_the_runs_that_died_with_a_server_are_told_by_the_next(
    start_server: Callable[..., Server], gate: Path, shared_repo: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config" / "jupyter_server_config.py"
    config.parent.mkdir()
    log = tmp_path / "events.log"
    config.write_text(f"import logging\nc.EventLogger.handlers = [logging.FileHandler({str(log)!r})]\n")
    server = await asyncio.to_thread(start_server)
    path = await asyncio.to_thread(generate, server, shared_repo, "cut", "fake", "pages=1,hold=plan")
    await asyncio.to_thread(server.wait, path, lambda row: row.get("current_stage") == "planning")
    server.process.kill()
    server.process.wait()
    await asyncio.to_thread(start_server)
    events = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(event["name"], event["status"]) for event in events] == [("cut", "generating"), ("cut", "error")]
    assert events[1]["error_message"] == "Server restarted during generation"


async def test_nobody_without_a_login_hears_events(shared_server: Server) -> None:
    with pytest.raises(HTTPClientError, match="403"):
        async with subscribed(shared_server, "wrong"):
            pass


def test_the_schema_describes_every_field_of_an_event() -> None:
    schema = yaml.safe_load(status_events._SCHEMA.read_text("utf-8"))
    assert schema["$id"] == status_events.SCHEMA_ID
    assert tuple(schema["properties"]) == status_events._FIELDS
    assert set(schema["properties"]["status"]["enum"]) == {status.value for status in Status}
