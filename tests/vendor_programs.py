"""The vendors' real programs, from npm."""

from __future__ import annotations

from pathlib import Path

from companions import npm_programs

PACKAGES = ("@anthropic-ai/claude-code@2.1.197", "@google/gemini-cli@0.61.0")


def vendor_bin() -> Path:
    """Return the folder with `claude` and `gemini`; claude's own script puts its program in place."""
    return npm_programs(*PACKAGES, after=["@anthropic-ai/claude-code/install.cjs"])
