"""Pure: a variant → everything that a panel or a page draws of it, and its text forms.

The server's ``?view=progress`` and the kernel's panel both answer `screen`, so that a browser shows the same words
whichever of them it asked.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit

from docsfy_jupyter.addresses import is_url
from docsfy_jupyter.models import Stage, Status, Variant
from docsfy_jupyter.money import compared, cost_text
from docsfy_jupyter.progress import LogEntry, describe, text_line

MAX_LOG = 200  # lines that a screen gets; a plan of 1,000 pages must not make every update a megabyte

_STAGES = {
    Stage.CLONING: "Cloning repository",
    Stage.PLANNING: "Planning documentation structure",
    Stage.INCREMENTAL_PLANNING: "Planning incremental update",
    Stage.GENERATING_PAGES: "Generating pages",
    Stage.RENDERING: "Rendering HTML site",
}
_COMMIT_PATHS = {"github.com": "/commit/", "gitlab.com": "/-/commit/", "codeberg.org": "/commit/", "bitbucket.org": "/commits/"}


def screen(variant: Variant) -> dict[str, Any]:
    """Return what a client draws: the slim row, the progress, and what a person can do now.

    Parameters
    ----------
    variant : Variant
        As the REST API answers it.

    Returns
    -------
    dict
        JSON-able. Beside the row: ``label``, ``percent``, ``text``, ``log`` (at most 200 lines), ``total`` (pages of the
        plan, 0 when unknown), ``stage_text``, ``actions`` (``{id, label}``), ``delete_question``, ``checks`` (see `checks`),
        ``cost_text``, ``foreseen_text``, ``source`` (the body field that generates it again) and ``commit_url`` (or None).
    """
    progress = describe(variant).to_json()
    progress["log"] = bounded_log(progress["log"])
    return {
        **variant.to_json(slim=True),
        **progress,
        "stage_text": stage_text(variant),
        "actions": [{"id": name, "label": label} for name, label in actions(variant, progress["total"])],
        "delete_question": delete_question(variant),
        "checks": list(checks(variant)),
        "cost_text": cost_text(variant.run_cost_usd, variant.untold_calls),
        "foreseen_text": foreseen_text(variant),
        "source": source(variant),
        "commit_url": commit_url(variant.repo_url, variant.last_commit_sha),
    }


def foreseen_text(variant: Variant) -> str:
    """Compare the estimate that was asked of a run that wrote its pages with what it took; empty where there is none."""
    times = variant.stage_times
    begins = [times[stage] for stage in (Stage.PLANNING, Stage.INCREMENTAL_PLANNING, Stage.GENERATING_PAGES) if stage in times]
    if variant.status is not Status.READY or not begins or Stage.RENDERING not in times:
        return ""
    if not variant.foreseen or not variant.foreseen.get("asked", True):  # rows of before were all asked for
        return ""
    took = datetime.fromisoformat(times[Stage.RENDERING]) - datetime.fromisoformat(min(begins))
    return compared(variant.foreseen, cost_text(variant.run_cost_usd, variant.untold_calls), took.total_seconds())


def source(variant: Variant) -> dict[str, str]:
    """Return the part of a generate body that names where the variant's repository is."""
    return {"repo_url" if is_url(variant.repo_url) else "repo_path": variant.repo_url}


def stage_text(variant: Variant) -> str:
    """Say what the run is doing, or where in the queue it is; empty when nothing runs."""
    if variant.status is Status.READY and variant.current_stage is Stage.UP_TO_DATE:
        return "Repository unchanged"
    if variant.status is not Status.GENERATING:
        return ""
    if variant.current_stage is Stage.QUEUED:
        place = f", position {variant.queue_position}" if variant.queue_position else ""
        return f"Waiting for a free slot{place}"
    if variant.current_stage is Stage.RENDERING and variant.checking_since:
        return "Checking pages against the repository"
    return _STAGES.get(variant.current_stage or Stage.QUEUED, "Starting generation")


def actions(variant: Variant, total: int) -> Iterator[tuple[str, str]]:
    """Yield what a person can do now: (id, label), the most likely first."""
    if variant.status is Status.GENERATING:
        yield "abort", "Abort"
        return
    missing = total - variant.page_count
    if variant.status is not Status.READY and variant.page_count > 0 and missing > 0:
        failed = len(variant.failed_pages)
        yield "resume", f"Retry {_counted(failed, 'failed page')}" if failed else f"Continue ({_counted(missing, 'page')} left)"
    if variant.site:
        yield "open", "View documentation" if variant.status is Status.READY else "View last documentation"
        yield "download", "Download"
    yield "regenerate", "Regenerate"
    yield "delete", "Delete…"


def delete_question(variant: Variant) -> str:
    """Ask whether a variant shall be deleted, and say what is lost with it and what stays."""
    lost = "its pages and its site" if variant.site else "its pages" if variant.plan_json else ""  # no page without a plan
    cost = cost_text(variant.total_cost_usd, variant.untold_calls)
    paid = f", and with them what its runs cost ({cost})" if cost else ""
    gone = f"{lost.capitalize()} are lost{paid}" if lost else "It has no pages and no site"
    return f"Delete {variant.address}? {gone}. The history of its runs stays."


def _counted(number: int, word: str, words: str = "") -> str:
    return f"{number} {word}" if number == 1 else f"{number} {words or f'{word}s'}"


def bounded_log(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep the newest lines of a long log, with one line that says how many went before."""
    if len(log) <= MAX_LOG:
        return log
    hidden = len(log) - MAX_LOG + 1
    first = LogEntry("done", f"… {hidden} earlier lines")
    return [{"kind": first.kind, "text": first.text, "at": None}, *log[hidden:]]


def checks(variant: Variant) -> Iterator[dict[str, Any]]:
    """Yield the lists of what a check of the pages found, as far as there is anything to tell.

    Yields
    ------
    dict
        ``title``, and ``groups``: ``{title, items}`` each, where a group may have no title.
    """
    if variant.findings:
        plan = variant.plan()
        titles = {page.slug: page.title or page.slug for page in plan.pages()} if plan else {}
        groups: dict[str, list[str]] = {}
        for finding in variant.finding_list:
            groups.setdefault(titles.get(finding.slug, finding.slug), []).append(finding.text)
        shown = [{"title": title, "items": items} for title, items in groups.items()]
        yield {"title": not_found(variant), "groups": _with_rest(shown, variant.findings - len(variant.finding_list))}
    if variant.unmentioned:
        number = _counted(variant.unmentioned_total, "public name or option", "public names and options")
        rest = variant.unmentioned_total - len(variant.unmentioned)
        yield {"title": f"{number} on no page", "groups": _with_rest([{"title": "", "items": list(variant.unmentioned)}], rest)}


def not_found(variant: Variant) -> str:
    """Say how many mentions of the pages were not found in the repository; empty where all were."""
    return f"{_counted(variant.findings, 'mention')} not found in the repository" if variant.findings else ""


def _with_rest(groups: list[dict[str, Any]], rest: int) -> list[dict[str, Any]]:
    return [*groups, {"title": f"… and {rest} more", "items": []}] if rest > 0 else groups


def commit_url(repo_url: str, sha: str | None) -> str | None:
    """Return where a commit can be seen, for the hosts whose addresses are known; None elsewhere."""
    parts = urlsplit(repo_url)
    path = _COMMIT_PATHS.get(parts.hostname or "")
    if not sha or not path or parts.scheme != "https" or not re.fullmatch(r"[0-9a-f]{7,64}", sha):
        return None
    return f"https://{parts.hostname}{parts.path.rstrip('/').removesuffix('.git')}{path}{sha}"


def local_time(moment: datetime, timespec: str = "minutes") -> str:
    """Write a time for a person, in the local zone and with it: ``2026-11-25 10:42 UTC+01:00``.

    Parameters
    ----------
    moment : datetime
        Aware.
    timespec : str
        How exact, as of `datetime.isoformat`.
    """
    here = moment.astimezone()
    # by its offset: what zones are called is not the same everywhere, and IST alone is three of them
    zone = timezone(here.utcoffset() or timedelta(0))
    return f"{here.replace(tzinfo=None).isoformat(' ', timespec)} {zone}"


def plain_form(variant: Variant, as_of: datetime) -> str:
    """Return ``text/plain``: one line, with the branch, the stage of a run or the message of one that failed, and findings."""
    line, mark, time = text_line(variant, local_time(as_of)).rpartition(" · ")
    said = (variant.branch, variant.error_message or stage_text(variant), not_found(variant))
    return mark.join([line, *filter(None, said), time])


def html_form(variant: Variant, as_of: datetime, panel_id: str = "") -> str:
    """Return ``text/html`` for exports, previews and notebooks without a kernel: the state and when it was true.

    Parameters
    ----------
    variant : Variant
        The state.
    as_of : datetime
        Aware; when it was true.
    panel_id : str
        The live panel that takes its place where one is shown.

    Returns
    -------
    str
        No script, no style sheet, no link; every text escaped.
    """
    progress = describe(variant)
    found = "".join(_check_html(check) for check in checks(variant))
    ref = f"{variant.ai_provider}/{variant.ai_model}"
    entries = "".join(f"<li>{html.escape(entry.text)}</li>" for entry in progress.log if entry.kind != "pending")
    notes = "".join(f"<p>{html.escape(note)}</p>" for note in variant.notes)
    message = f"<p><strong>{html.escape(variant.error_message)}</strong></p>" if variant.error_message else ""
    return still_html(
        panel_id,
        f"<p><strong>{html.escape(variant.name)}</strong> · {html.escape(ref)} · {variant.status.value} · {progress.text}</p>"
        f"{message}{notes}"
        f"<details><summary>Activity log</summary><ol>{entries}</ol></details>{found}"
        f"<p>as of {local_time(as_of)}</p>",
    )


def still_html(panel_id: str, content: str) -> str:
    """Return HTML that gives way to the live panel `panel_id`, where one is shown."""
    return f'<div class="docsfy-still" data-docsfy-panel="{html.escape(panel_id)}">{content}</div>'


def _check_html(check: dict[str, Any]) -> str:
    def group(one: dict[str, Any]) -> str:
        title = f"<p>{html.escape(one['title'])}</p>" if one["title"] else ""
        items = "".join(f"<li>{html.escape(item)}</li>" for item in one["items"])
        return title + (f"<ul>{items}</ul>" if items else "")

    groups = "".join(map(group, check["groups"]))
    return f"<details><summary>{html.escape(check['title'])}</summary>{groups}</details>"
