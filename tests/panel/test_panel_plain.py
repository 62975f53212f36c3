"""Panels in plain Python, where no widget can be shown: what they print, and what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from servers import Server

from docsfy_jupyter import Dashboard, DocsfyClient, StatusPanel, VariantKey, connect


@pytest.fixture
def client(shared_server: Server) -> Any:
    with connect(shared_server.url, shared_server.token) as client:
        yield client


def test_a_printed_panel_is_its_line(client: DocsfyClient, shared_repo: Path) -> None:
    row = client.wait(client.generate(shared_repo, provider="fake", model="pages=2", name="printed"), timeout=90)
    with_panel = StatusPanel.of(row, client=client)
    assert str(with_panel).startswith("printed · fake/pages=2 · ready · 2 / 2 pages · main · as of 20")
    assert repr(with_panel).count("\n") == 0
    with_panel.close()
    missing = StatusPanel("printed", "fake", "no-such", branch="dev", client=client)
    assert str(missing) == "printed · fake/no-such · dev · not generated yet"
    missing.close()
    table = Dashboard(client=client)
    assert "printed · fake/pages=2 · ready · 2 / 2 pages · main" in str(table).splitlines()
    table.close()


def test_a_wait_in_a_terminal_prints_branch_stage_and_reason(
    client: DocsfyClient, shared_repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    panel = StatusPanel.of(client.generate(shared_repo, provider="fake", model="pages=2,fail=page-1,sleep=0.5", name="told-why"), client=client)
    assert panel.wait(90, on_error="return").status == "error"
    panel.close()
    *before, last = [line.rpartition(" · as of ")[0] for line in capsys.readouterr().out.splitlines()]
    stages = [line.partition(" · main · ")[2] for line in before]
    assert stages  # which of them a poll meets is a matter of time
    assert all(stages)
    assert last.startswith("told-why · fake/pages=2,fail=page-1,sleep=0.5 · error · 1 / 2 pages · main · 1 of 2 pages failed: page-1 (")


@pytest.mark.parametrize("kind", [StatusPanel, Dashboard])
def test_an_interval_below_a_second_is_refused(client: DocsfyClient, kind: Any) -> None:
    key = VariantKey("n", "b", "p", "m", "")
    with pytest.raises(ValueError, match=r"^poll_interval=0\.5 is below the minimum of 1 second$"):
        kind(*((key.name, key.ai_provider, key.ai_model) if kind is StatusPanel else ()), client=client, poll_interval=0.5)


async def test_a_wait_refuses_an_unknown_way_to_end(client: DocsfyClient) -> None:
    panel = StatusPanel("none", "fake", "none", client=client)
    with pytest.raises(ValueError, match=r"^on_error='zzz' is neither 'raise' nor 'return'$"):
        panel.wait(on_error="zzz")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^on_error='zzz' is neither 'raise' nor 'return'$"):
        await panel.done(on_error="zzz")  # type: ignore[arg-type]
    panel.close()
