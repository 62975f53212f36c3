"""How a batch is followed: two bars on a terminal, a line for each variant that ends elsewhere."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from docsfy_jupyter.batch.result import VariantResult
from docsfy_jupyter.cli.bars import BatchBars


def told(*outcomes: tuple[str, int]) -> dict[str, Any]:
    """Return a progress: outcome and finished pages of each variant."""
    return {
        "variants": [
            vars(VariantResult(f"v{number}", "main", "p", "m", "/r", outcome, "because" if outcome == "error" else None, pages_done=done, pages_total=4))
            for number, (outcome, done) in enumerate(outcomes)
        ]
    }


NEWS = (told(("generating", 1), ("generating", 0)), told(("ready", 4), ("generating", 2)), told(("ready", 4), ("error", 2)))


def test_elsewhere_each_variant_that_ends_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    bars = BatchBars(quiet=False)
    for news in (*NEWS, NEWS[-1]):
        bars.show(news)
    bars.close()
    assert capsys.readouterr().err.splitlines() == ["✓ [1/2] v0/main/p/m · ready", "✗ [2/2] v1/main/p/m · failed · because"]
    quiet = BatchBars(quiet=True)
    quiet.show(NEWS[-1])
    assert capsys.readouterr().err == ""


def test_on_a_terminal_there_is_a_bar_over_variants_and_one_over_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("NO_COLOR", "1")
    bars = BatchBars(quiet=False)
    for news in NEWS:
        bars.show(news)
    bars.close()
    text = screen.getvalue()
    assert "| 1 / 2" in text
    assert "| 6 / 8" in text
    assert "✗ [2/2] v1/main/p/m · failed · because" in text
