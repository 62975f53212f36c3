"""What a command shows: a bar and colours on a terminal, plain lines elsewhere, one JSON document on request."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TextIO

from tqdm import tqdm

from docsfy_jupyter.batch.summary import time_text
from docsfy_jupyter.cli.wording import in_flags
from docsfy_jupyter.errors import DocsfyError
from docsfy_jupyter.models import Status, Variant, utc_now
from docsfy_jupyter.money import cost_text, dollars, with_estimate
from docsfy_jupyter.progress import LogEntry, describe, text_line
from docsfy_jupyter.screen import checks, local_time, stage_text

_SIGNS = {"done": "✓", "active": "…", "error": "✗", "pending": " "}
_COLOURS = {"done": "32", "active": "36", "error": "31", "ready": "32", "generating": "36", "aborted": "33"}
_TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}  # they reorder what follows them on a line


def plain(text: str) -> str:
    """Return a text that cannot steer a terminal: what a model or a repository wrote is shown, never obeyed."""
    return "".join("�" if unicodedata.category(c) == "Cc" or unicodedata.bidirectional(c) in _TURNING else c for c in text)


def coloured(text: str, kind: str, stream: TextIO) -> str:
    """Return the text in the colour of a status or a kind of entry, where the stream is a terminal that wants colours."""
    wanted = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return f"\x1b[{_COLOURS[kind]}m{text}\x1b[0m" if wanted and kind in _COLOURS else text


def line_of(variant: Variant) -> str:
    """Return the one line of a variant: name · provider/model · status · pages · branch · stage or when generated · as of."""
    line, mark, time = plain(text_line(variant, local_time(utc_now()))).rpartition(" · ")
    word = variant.status.value
    kind = "error" if variant.status is Status.ERROR else word
    shown = coloured(word, kind, sys.stdout)
    line = line.replace(f"{mark}{word}{mark}", f"{mark}{shown}{mark}", 1)
    generated = f"generated {_minute(variant.last_generated)}" if variant.last_generated else ""
    return mark.join(filter(None, (line, plain(variant.branch), stage_text(variant), generated, time)))


def _minute(moment: str) -> str:
    return local_time(datetime.fromisoformat(moment))


def reason_of(message: str | None) -> str:
    """Return the reason why a run ended as lines below its own; empty where there is none."""
    return "".join(f"\n    {plain(line)}" for line in (message or "").splitlines())


def notes_of(variant: Variant) -> str:
    """Return what is to be known of the repository, a line each."""
    return "".join(f"Note: {plain(note)}\n" for note in variant.notes)


def checks_of(variant: Variant) -> str:
    """Return the lists of what a check of the pages found, as lines; empty where there is nothing to tell."""
    lines = []
    for check in checks(variant):
        lines.append(f"{check['title']}:")
        for group in check["groups"]:
            lines += [f"  {group['title']}"] * bool(group["title"]) + [f"    {item}" for item in group["items"]]
    return "".join(f"{plain(line)}\n" for line in lines)


def run_line(run: Mapping[str, Any]) -> str:
    """Return the lines of a run: beginning, outcome, how long it took, what it was, who began it, its cost, why it failed."""
    began = datetime.fromisoformat(run["started_at"]) if run["started_at"] else None
    ended = datetime.fromisoformat(run["ended_at"]) if run["ended_at"] else utc_now()
    outcome = run["outcome"] or "in progress"
    address = f"{run['name']}/{run['branch']}/{run['ai_provider']}/{run['ai_model']}"
    parts = (
        local_time(began, "seconds") if began else "",
        coloured(f"{outcome:<11}", outcome, sys.stdout),
        f"{time_text((ended - began).total_seconds()) if began else '':>11}",
        plain(address),
        plain(f"by {run['started_by']}"),
        _run_cost(run),
    )
    return "  ".join(parts).rstrip() + reason_of(run["error_message"])


def _run_cost(run: Mapping[str, Any]) -> str:
    """Say what a run cost, and was to cost; empty where it cost nothing, or has not ended."""
    if run["cost_usd"] is None:
        return "cost unknown" if run["ended_at"] else ""
    if not run["cost_usd"]:
        return ""
    return with_estimate(dollars(run["cost_usd"]), run.get("estimated_cost_usd"), run.get("estimate_at_most"))


def print_json(data: Any) -> None:
    """Print the one document."""
    print(json.dumps(data))


def say_error(error: DocsfyError, *, as_json: bool) -> None:
    """Print an error: JSON on stdout, or a sentence on stderr."""
    if as_json:
        print_json({"error": in_flags(error), "code": error.code})
    else:
        first, *more = map(plain, in_flags(error).split("\n"))  # a fault a line
        print("\n  ".join([f"{coloured('Error:', 'error', sys.stderr)} {first}", *more]), file=sys.stderr)


class Watcher:
    """Prints what is new in a row: each finished line once, and a bar on a terminal.

    Parameters
    ----------
    quiet : bool
        Print nothing.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._seen: set[tuple[str, str]] = set()
        self._bar: Any = None if quiet or not sys.stderr.isatty() else tqdm(total=100, dynamic_ncols=True, bar_format="{desc}")

    def show(self, row: Variant) -> None:
        """Show a row."""
        progress = describe(row)
        for entry in progress.log:
            self._line(entry)
        if self._bar is not None:
            # without a plan nobody knows how far it is: no bar and no number then
            self._bar.bar_format = "{desc}" if progress.percent is None else "{desc} |{bar}| {n:.0f} %"
            cost = cost_text(row.run_cost_usd, row.untold_calls) if row.run_cost_usd else ""
            text = " · ".join(filter(None, (f"{progress.label} {progress.text}", cost)))
            self._bar.set_description_str(text, refresh=False)
            self._bar.n = progress.percent or 0
            self._bar.refresh()

    def close(self) -> None:
        """Leave the terminal tidy."""
        if self._bar is not None:
            self._bar.close()

    def _line(self, entry: LogEntry) -> None:
        stage_begins = entry.kind == "active" and not entry.text.startswith("Generating page")
        if self._quiet or (entry.kind not in ("done", "error") and not stage_begins) or (entry.kind, entry.text) in self._seen:
            return
        self._seen.add((entry.kind, entry.text))
        line = f"{coloured(_SIGNS[entry.kind], entry.kind, sys.stderr)} {plain(entry.text)}"
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)
