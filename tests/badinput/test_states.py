"""Any order of starts, aborts, deletions and renderings of two variants: every answer is what the state before it promises."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from invariants import settle
from servers import Server, await_health, end, launch, make_demo_repo
from walking import path_of

MODEL = "pages=1,hold=page-1"
NAMES = st.sampled_from(["one", "two"])


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path, Path]]:
    """A server whose runs wait at a gate, the gate, and a repository."""
    home = tmp_path_factory.mktemp("states")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DOCSFY_GATE", str(home / "gate"))
        server = launch(home)
    await_health(server)
    yield server, home / "gate", make_demo_repo(home)
    end(server)


@pytest.mark.timeout(900)
def test_every_answer_is_what_the_state_before_it_promises(held: tuple[Server, Path, Path], request: pytest.FixtureRequest) -> None:
    server, gate, repo = held

    class Variants(RuleBasedStateMachine):
        @initialize()
        def nothing_is_there(self) -> None:
            self.states: dict[str, str] = {}
            self.sites: set[str] = set()
            gate.unlink(missing_ok=True)
            for row in settle(server):
                server.call("DELETE", f"api/projects/{row['name']}")
            gate.touch()

        def ask(self, method: str, name: str, verb: str = "") -> int:
            return int(server.call(method, path_of(name, "main", "fake", MODEL) + verb).status_code)

        @rule(name=NAMES)
        def start(self, name: str) -> None:
            body = {"repo_path": str(repo), "name": name, "branch": "main", "provider": "fake", "model": MODEL, "force": True}
            code = server.call("POST", "api/generate", json=body).status_code
            assert code == (409 if self.states.get(name) == "generating" else 202)
            self.states[name] = "generating"
            server.wait(path_of(name, "main", "fake", MODEL), lambda row: row["pages_active"] == ["page-1"])

        @rule(name=NAMES)
        def abort(self, name: str) -> None:
            state = self.states.get(name)
            assert self.ask("POST", name, "/abort") == {None: 404, "generating": 200}.get(state, 409)
            if state == "generating":
                self.states[name] = "aborted"

        @rule(name=NAMES)
        def delete(self, name: str) -> None:
            state = self.states.get(name)
            assert self.ask("DELETE", name) == {None: 404, "generating": 409}.get(state, 200)
            if state != "generating":
                self.states.pop(name, None)
                self.sites.discard(name)

        @rule(name=NAMES)
        def render(self, name: str) -> None:
            assert self.ask("POST", name, "/render") == {None: 404, "ready": 200}.get(self.states.get(name), 409)

        @rule()
        def let_go(self) -> None:
            gate.unlink()
            settle(server)
            gate.touch()
            done = {name for name, state in self.states.items() if state == "generating"}
            self.states |= dict.fromkeys(done, "ready")
            self.sites |= done

        @invariant()
        def rows_and_sites_are_as_told(self) -> None:
            rows = {row["name"]: row for row in server.call("GET", "api/projects").json()["projects"]}
            assert {name: row["status"] for name, row in rows.items()} == getattr(self, "states", {})
            for name, row in rows.items():
                assert row["site"] == (name in self.sites)
                assert self.ask("GET", name, "/download") == (200 if row["site"] else 409)

    count = request.config.getoption("examples")
    options = settings(
        max_examples=max(3, count // 30), stateful_step_count=12, derandomize=count <= 20, database=None, deadline=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.generate], print_blob=True,
    )  # fmt: skip
    run_state_machine_as_test(Variants, settings=options)
    gate.unlink(missing_ok=True)
