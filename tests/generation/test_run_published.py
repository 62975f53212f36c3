"""``kill -9`` of a server around the publication of a site: what is published and what the row says are of one run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agents import Agents
from invariants import Promises, check, digest, published, variant_folder
from servers import Server, commit

from docsfy_jupyter import connect, history
from docsfy_jupyter.models import SERVER_RESTARTED

# what every run has of its own
OWN = {
    *("generation_id", "name", "seq", "seconds", "estimated_seconds", "foreseen", "prompt_hash", "cache_key"),
    *("created_at", "updated_at", "started_at", "ended_at", "last_generated", "occurred_at", "checking_since"),
}
Start = Callable[..., Server]


class Twins:
    """Two variants that have the same runs on one server, but that the server dies at the end of the last run of one."""

    def __init__(self, start: Start, repo: Path, order: Path) -> None:
        self.server = start(frontends=["dying"])
        self._start, self._repo, self._order = start, repo, order
        for name in ("twin", "demo"):
            assert self.run(name)["status"] == "ready"
        self.before = self.row("demo")
        self.site = digest(self.folder())
        self.commit = commit(repo, {"README.md": "# Demo\n\nAnother text.\n"})
        assert self.run("twin")["status"] == "ready"

    def run(self, name: str) -> dict[str, Any]:
        self.begin(name)
        return self.server.ended(f"api/projects/{name}/main/claude/sonnet")

    def begin(self, name: str) -> None:
        body = {"name": name, "branch": "main", "provider": "claude", "model": "sonnet", "repo_path": str(self._repo)}
        answer = self.server.call("POST", "api/generate", json=body)
        assert answer.status_code == 202, answer.text

    def row(self, name: str) -> dict[str, Any]:
        return dict(self.server.call("GET", f"api/projects/{name}/main/claude/sonnet").json())

    def folder(self) -> Path:
        site = published(variant_folder(self.server.data_dir, self.row("demo")))
        assert site is not None
        return site

    def die(self, moment: str) -> None:
        """Have the server die at that moment of a run of ``demo``, and start it again."""
        self._order.write_text(moment)
        self.begin("demo")
        assert self.server.process.wait(90) == -9
        self._order.unlink()
        self.server = self._start(frontends=["dying"])

    def history(self, name: str) -> dict[str, list[dict[str, Any]]]:
        """Return what is kept of the latest run in each table of the history, without what every run has of its own."""
        run = self.row(name)["generation_id"]
        found: dict[str, list[dict[str, Any]]] = {}
        with connect(self.server.url, token=self.server.token) as client, history(client) as past:
            for table in ("runs", "events", "pages", "ai_calls"):
                some = past.sql(f"FROM {table} WHERE generation_id = '{run}' ORDER BY ALL")
                records = [bare(dict(zip(some.columns, one, strict=True))) for one in some.fetchall()]
                # whether the site or the check of its pages is done first is left to chance
                found[table] = sorted((one for one in records if one.get("kind") != "verifying"), key=str)
        return found


def bare(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record without what every run has of its own; its times are the names that they belong to."""
    kept = {name: value for name, value in record.items() if name not in OWN}
    times = {name: json.loads(value) if isinstance(value, str) else value for name, value in kept.items() if name.endswith("_times")}
    return {**kept, **{name: sorted(value) for name, value in times.items()}}


@pytest.fixture
def twins(start_server: Start, demo_repo: Path, agents: Agents, mark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Twins:
    """Both are ready at the first commit, and ``twin`` at the second."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    monkeypatch.setenv("XDG_DOCSFY_DIES", str(tmp_path / "dies"))
    agents.steer(2)

    def start(**options: Any) -> Server:
        return start_server("--DocsfyApp.max_concurrent_pages=1", **options)

    return Twins(start, demo_repo, tmp_path / "dies")


@pytest.mark.parametrize("moment", ["after the site", "before the row"])
def test_a_run_that_had_published_its_site_when_the_server_was_killed_is_ready_as_if_it_had_not_been(
    twins: Twins, mark: str, moment: str
) -> None:
    twins.die(moment)
    row = twins.row("demo")
    assert (row["status"], row["error_message"], row["last_commit_sha"]) == ("ready", None, twins.commit)
    assert row["generation_id"] != twins.before["generation_id"]
    assert row["last_generated"] > twins.before["last_generated"]
    assert (row["run_cost_usd"], row["total_cost_usd"]) == (0.75, 1.5)
    assert bare(row) == bare(twins.row("twin"))
    kept = twins.history("demo")
    assert all(kept.values()), kept
    assert kept["runs"][0]["estimated_cost_usd"] == 0.75
    assert kept == twins.history("twin")
    assert digest(twins.folder()) != twins.site
    check(twins.server, mark, Promises())
    again = twins.run("demo")
    assert (again["status"], again["current_stage"], again["run_cost_usd"]) == ("ready", "up_to_date", 0.0)


def test_a_run_that_had_not_published_its_site_is_an_error_and_the_old_site_stays(twins: Twins, mark: str) -> None:
    twins.die("before the site")
    row = twins.row("demo")
    assert (row["status"], row["error_message"]) == ("error", SERVER_RESTARTED)
    assert row["last_commit_sha"] == twins.before["last_commit_sha"]
    assert digest(twins.folder()) == twins.site
    (run,) = twins.history("demo")["runs"]
    assert (run["outcome"], run["commit_sha"], run["ended_by"]) == ("error", None, "the server (it was restarted)")
    check(twins.server, mark, Promises())
    again = twins.run("demo")
    assert (again["status"], again["current_stage"], again["run_cost_usd"]) == ("ready", None, 0.0)
    assert again["last_commit_sha"] == twins.commit
