"""Pure: a result, or a batch in progress, as text, Markdown and HTML."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from docsfy_jupyter.batch.result import BatchResult, VariantResult, worst_first
from docsfy_jupyter.money import cost_text, dollars, with_estimate

_HEADS = ("Variant", "Outcome", "Pages", "Time", "Cost", "Why")
_UNASKED = frozenset(("queued", "cloning"))  # stages in which nobody writes, for money or not
_ENDED = ("ready", "up_to_date", "error", "aborted")
_WORDS = {"up_to_date": "up to date", "error": "failed", "timeout": "not done in time"}


def headline(result: BatchResult) -> str:
    """Return the one line: ``2 ready, 1 failed of 3 variants in 12 s, $0.25``."""
    counts = ", ".join(f"{count} {word(name)}" for name, count in result.counts.items()) or "nothing"
    total = len(result.variants)
    data = result.to_json()
    took = f"{counts} of {total} variant{'' if total == 1 else 's'} in {time_text(data['seconds'])}"
    return ", ".join(filter(None, (took, _price(result))))


def _price(result: BatchResult) -> str:
    """Say what a batch cost, at least where more may have; empty where nobody was asked to write."""
    if result.cost_usd:
        return cost_text(result.cost_usd, int(result.cost_at_least))
    if result.cost_at_least:
        return "cost unknown"
    known = [one for one in result.variants if one.cost_usd is not None and not one.joined]
    return paid(0.0) if any(map(_asked, known)) else ""


def when(result: BatchResult) -> str:
    """Return the time of a batch for people: ``2026-11-25 03:15:02 to 03:19:40 UTC``."""
    start, end = (datetime.fromisoformat(at).astimezone(UTC) for at in (result.started_at, result.ended_at))
    shown = f"{end:%H:%M:%S}" if start.date() == end.date() else f"{end:%Y-%m-%d %H:%M:%S}"
    return f"{start:%Y-%m-%d %H:%M:%S} to {shown} UTC"


def word(outcome: str) -> str:
    """Return an outcome as people say it."""
    return _WORDS.get(outcome, outcome)


def time_text(seconds: float | None) -> str:
    """Return a duration: ``3.2 s``, ``4 min 5 s``, ``2 h 1 min``; empty when unknown."""
    if seconds is None:
        return ""
    if seconds < 0.05:
        return "under 0.1 s" if seconds else "0 s"
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def paid(amount: float) -> str:
    """Return what was, or will be, paid: ``$0.25``, ``free``."""
    return dollars(amount) if amount else "free"


def _asked(variant: VariantResult) -> bool:
    """Say whether somebody was asked to write, or there was nothing to ask: a run that failed before is not called free."""
    return bool(variant.cost_usd) or variant.good or not _UNASKED.issuperset(variant.stages)


def _cost(variant: VariantResult) -> str:
    """Say what a run cost; empty where there was none, not yet an end of it, or an end before anybody was asked to write."""
    if variant.cost_usd is None:
        return "unknown" if variant.generation_id and variant.outcome in _ENDED else ""
    if not variant.cost_usd:
        return "unknown" if variant.untold_calls else paid(0.0) if _asked(variant) else ""
    cost = cost_text(variant.cost_usd, variant.untold_calls)
    if variant.joined:
        return f"{cost} (of a run that was joined, not counted)"
    found = variant.estimate or {}
    return with_estimate(cost, found.get("cost_usd"), found.get("at_most"))


def _line(variant: VariantResult) -> tuple[str, ...]:
    pages = f"{variant.pages_done} / {variant.pages_total} pages" if variant.pages_total else ""
    published = f"published in {variant.published}" if variant.published else ""
    why = "; ".join(filter(None, (variant.reason, published)))
    return variant.address, word(variant.outcome), pages, time_text(variant.seconds), _cost(variant), why


def _text(variant: VariantResult) -> str:
    *first, cost, why = _line(variant)
    return " · ".join(filter(None, (*first, "cost unknown" if cost == "unknown" else cost, why)))


def as_text(result: BatchResult) -> str:
    """Return the summary for a terminal: the headline, then a line for each variant, the failed ones first."""
    lines = [_text(variant) for variant in worst_first(result.variants)]
    note = [result.note] if result.note else []
    return "\n".join([headline(result), *note, *(f"  {line}" for line in lines)])


def as_markdown(result: BatchResult) -> str:
    """Return the summary as Markdown, for a chat, a mail, or a GitHub job summary."""
    state = "✅" if result.ok else "❌"
    head = [f"### {state} {_cell(headline(result))}", ""]
    note = [_cell(result.note), ""] if result.note else []
    rows = [" | ".join(_cell(cell) for cell in _line(variant)) for variant in worst_first(result.variants)]
    table = ["| " + " | ".join(_HEADS) + " |", "|" + " --- |" * len(_HEADS), *(f"| {row} |" for row in rows)]
    return "\n".join([*head, *note, *table, "", when(result), ""])


def _cell(text: str) -> str:
    """Return a text that cannot leave its cell or become markup."""
    shown = " ".join(text.split())
    for mark in ("\\", "|", "`", "*", "_", "[", "]", "#"):
        shown = shown.replace(mark, f"\\{mark}")
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def as_html(result: BatchResult) -> str:
    """Return the summary as HTML without script or style sheet, every text escaped."""
    note = f"<p>{html.escape(result.note)}</p>" if result.note else ""
    top = f"<p><strong>{html.escape(headline(result))}</strong></p>{note}"
    return f"{top}{html_table(worst_first(result.variants))}<p>{html.escape(when(result))}</p>"


def html_table(variants: Sequence[VariantResult]) -> str:
    """Return a table of variants."""
    return _table(_HEADS, (_line(variant) for variant in variants))


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    top = "".join(f'<th scope="col" style="text-align:left">{html.escape(head)}</th>' for head in heads)
    body = "".join(
        "<tr>" + "".join(f'<td style="text-align:left">{html.escape(cell)}</td>' for cell in row) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def live_text(variants: Sequence[VariantResult], as_of: str) -> str:
    """Return a batch in progress as text."""
    lines = [_text(variant) for variant in variants]
    return "\n".join([*lines, f"as of {as_of}"])


def live_html(variants: Sequence[VariantResult], as_of: str) -> str:
    """Return a batch in progress as HTML: bars over variants and pages, and the table."""
    over = sum(variant.outcome != "generating" for variant in variants)
    done, total = sum(variant.pages_done for variant in variants), sum(variant.pages_total for variant in variants)
    bars = _bar("Variants", over, len(variants)) + (_bar("Pages", done, total) if total else "")
    return f"<div>{bars}{html_table(variants)}<p>as of {html.escape(as_of)}</p></div>"


def _bar(label: str, value: int, top: int) -> str:
    return f'<p><label>{label} <progress value="{value}" max="{max(top, 1)}"></progress> {value} / {top}</label></p>'
