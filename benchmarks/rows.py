"""What a benchmark has to say: rows of one table, printed, and kept as JSON for whoever gathers them.

A benchmark makes its rows with `beside` (ours and another's, measured in turns), with `alone` (ours against a mark), or with
`not_run` where the other is not there, and ends with ``return report(rows, options.json)``; the options come from `parser`.
Values carry no unit: the measure's text does (``"abort to last process dead, ms"``). ``DOCSFY_BENCH_JSON`` names a file to
which `report` adds the rows of each benchmark that runs.

Run ``python benchmarks/rows.py [--markdown] FILE`` to print what such a file has.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Parameters
    ----------
    measure : str
        What was measured, with its unit.
    ours, other : float or None
        Medians; None where there is no such thing or it was not run.
    ratio : float or None
        The median of the turns' ratios, ours by the other's.
    low, high : float or None
        The lowest and the highest turn: of the ratio where there is one, else of ours.
    turns : int
        How often each was measured.
    mark : str
        The limit in words, such as ``"≤ 0.3 ×"``; empty where there is none.
    passed : bool or None
        Whether the mark is kept; None without a mark, and where it could not be tried.
    note : str
        What else one must know, such as who the other is.
    load : float
        Processes that wanted a processor, averaged over the last minute, the benchmark's own among them.
    """

    measure: str
    ours: float | None
    other: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    turns: int = 0
    mark: str = ""
    passed: bool | None = None
    note: str = ""
    load: float = field(default_factory=lambda: round(os.getloadavg()[0], 2))


def beside(
    measure: str,
    ours: Sequence[float],
    other: Sequence[float],
    *,
    at_most: float | None = None,
    at_least: float | None = None,
    note: str = "",
) -> Row:
    """Compare what was measured in turns; the mark is one of the median ratio.

    Parameters
    ----------
    ours, other : sequence of float
        Of the same length; those of one turn are at the same place.
    """
    ratios = [mine / theirs for mine, theirs in zip(ours, other, strict=True)]
    ratio = statistics.median(ratios)
    mark, passed = _judged(ratio, at_most, at_least, " ×")
    medians = statistics.median(ours), statistics.median(other)
    return Row(measure, *medians, ratio, min(ratios), max(ratios), len(ratios), mark, passed, note)


def alone(
    measure: str,
    ours: Sequence[float],
    *,
    other: Sequence[float] = (),
    at_most: float | None = None,
    at_least: float | None = None,
    note: str = "",
) -> Row:
    """Hold the median of ours against a mark of its own; the other, if any, is shown and does not judge."""
    middle = statistics.median(ours)
    mark, passed = _judged(middle, at_most, at_least, "")
    shown = statistics.median(other) if other else None
    return Row(measure, middle, shown, None, min(ours), max(ours), len(ours), mark, passed, note)


def not_run(measure: str, reason: str) -> Row:
    """Say that something could not be measured here, and why."""
    return Row(measure, None, note=f"not run: {reason}")


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the option that every benchmark has; from now on a TERM ends it as Ctrl-C does, with its servers."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    made = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    made.add_argument("--json", type=Path, metavar="FILE", help="also write the rows into this file")
    return made


def report(rows: Sequence[Row], json_file: Path | None = None) -> int:
    """Print the rows, keep them where that is wanted, and return the exit code: 1 when a mark was missed."""
    print_table(rows)
    if json_file is not None:
        _write(json_file, rows)
    gather(rows)
    return int(any(row.passed is False for row in rows))


def print_table(rows: Sequence[Row]) -> None:
    """Print a line for each row, with the load."""
    head = ("measure", "ours", "other", "ratio", "low", "high", "turns", "mark", "", "load", "note")
    lines = [head, *(_cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for first, *line in lines:
        cells = [first.ljust(widths[0])]
        cells += [text.rjust(width) for text, width in zip(line[:6], widths[1:7], strict=True)]
        cells += [text.ljust(width) for text, width in zip(line[6:], widths[7:], strict=True)]
        print("  ".join(cells).rstrip())


def print_markdown(rows: Sequence[Row]) -> None:
    """Print the rows as the table of ``docs/performance-and-reliability.md``."""
    print("| measure | ours | beside | ratio (low–high) | turns | mark | | load |\n|" + " --- |" * 8)
    words = {None: "", True: "kept", False: "**missed**"}
    for row in rows:
        measure = f"{row.measure} ({row.note})" if row.note else row.measure
        spread = f"({_short(row.low)}–{_short(row.high)})" if row.turns > 1 else ""
        ratio = " ".join(filter(None, (_short(row.ratio), spread)))
        cells = [measure, _short(row.ours), _short(row.other), ratio, str(row.turns or ""), row.mark, words[row.passed]]
        print(f"| {' | '.join([*cells, f'{row.load:.0f}'])} |")


def gather(rows: Sequence[Row]) -> None:
    """Add the rows to the file that ``DOCSFY_BENCH_JSON`` names, if it does."""
    name = os.environ.get("DOCSFY_BENCH_JSON")
    if name:
        _write(Path(name), [*(read(Path(name)) if Path(name).exists() else ()), *rows])


def read(file: Path) -> list[Row]:
    """Return the rows of a file."""
    return [Row(**row) for row in json.loads(file.read_text("utf-8"))]


def _judged(value: float, at_most: float | None, at_least: float | None, unit: str) -> tuple[str, bool | None]:
    if at_most is not None:
        return f"≤ {at_most:g}{unit}", value <= at_most
    if at_least is not None:
        return f"≥ {at_least:g}{unit}", value >= at_least
    return "", None


def _cells(row: Row) -> tuple[str, ...]:
    word = "" if row.passed is None else "passed" if row.passed else "MISSED"
    figures = (_short(value) for value in (row.ours, row.other, row.ratio, row.low, row.high))
    return (row.measure, *figures, str(row.turns or ""), row.mark, word, f"{row.load:.1f}", row.note)


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"


def _write(file: Path, rows: Sequence[Row]) -> None:
    whole = file.with_name(f"{file.name}.part")
    whole.write_text(json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False), "utf-8")
    whole.replace(file)


if __name__ == "__main__":
    show = print_markdown if "--markdown" in sys.argv[1:] else print_table
    for argument in (argument for argument in sys.argv[1:] if argument != "--markdown"):
        show(read(Path(argument)))
