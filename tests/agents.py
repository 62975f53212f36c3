"""Fake command lines of the vendors, first on the PATH, and what they were given."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from recording import finished, start

from docsfy_jupyter.generation.manager import Manager
from docsfy_jupyter.models import Variant
from docsfy_jupyter.providers.ai.agent_cli import AgentCliProvider

FAKE_AGENT = Path(__file__).parent / "fake_agent.py"
NAMES = ("claude", "gemini", "cursor-agent")


class Agents:
    """The three programs in one folder.

    Parameters
    ----------
    folder : Path
        An empty one: programs, steering and records go there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        for name in NAMES:
            program = self.bin / name
            program.write_text(f"#!{sys.executable} -IS\n" + FAKE_AGENT.read_text("utf-8"))
            program.chmod(0o755)
        self.steer()

    def steer(self, pages: int = 3, **acts: dict[str, Any] | list[dict[str, Any]]) -> None:
        """Say what happens: ``plan=…``, ``page_3=…``, ``every=…``."""
        names = {name: "*" if name == "every" else name.replace("page_", "Page ") for name in acts}
        turns = {names[name]: act if isinstance(act, list) else [act] for name, act in acts.items()}
        (self.folder / "steer.json").write_text(json.dumps({"pages": pages, **turns}))

    def calls(self) -> list[dict[str, Any]]:
        """Return what the programs were given, in order."""
        return sorted((json.loads(path.read_text()) for path in self.folder.glob("*.call")), key=lambda call: call["at"])

    def turns(self) -> list[str]:
        """Return what the calls were about, sorted, and forget them."""
        turns = sorted(call["turn"] for call in self.calls())
        for path in self.folder.glob("*.call"):
            path.unlink()
        return turns


@pytest.fixture
def agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Agents:
    """The fakes, first on the PATH; no key of the developer's is around, and pauses are short."""
    found = Agents(tmp_path / "agents")
    monkeypatch.setenv("PATH", f"{found.bin}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_FAKE_AGENT", str(found.folder))
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "GEMINI_API_KEY", "CURSOR_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(AgentCliProvider, "first_pause", 0.01)
    return found


async def ran(manager: Manager, repo: Path, provider: str = "claude", model: str = "m", **more: Any) -> Variant:
    """Run to the end."""
    return await finished(manager, await start(manager, repo, model, provider, **more))


async def recorded_calls(manager: Manager, row: Variant) -> list[dict[str, Any]]:
    """Return the rows of ``ai_calls`` of a run."""
    store = await manager.ready()
    await manager._writer.flush()
    return await store._database.read("SELECT * FROM ai_calls WHERE generation_id = ?", [row.generation_id])
