"""What holds after every fault, once nothing runs: one function, `check`, for all tests that break something."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from recording import alive
from servers import Server
from site_links import broken_links

_ADDRESS = ("name", "branch", "ai_provider", "ai_model")
TERMINAL = ("ready", "error", "aborted")
_FILES = {"plan.json", "manifest.json", "end.json", "cache", "images", "sites", "written"}
_FOREVER = 60.0  # seconds that something which is to end by itself may take on a busy machine


@dataclass
class Promises:
    """What clients were told and may rely on, whatever happens to the server.

    Parameters
    ----------
    accepted : set of str
        The runs whose start was answered with 202.
    outcomes : dict
        Run to the terminal status that somebody has read.
    sites : dict
        Folder of a variant to the digest of its last good site.
    known : set of str
        The runs that were there at the last look.
    """

    accepted: set[str] = field(default_factory=set)
    outcomes: dict[str, str] = field(default_factory=dict)
    sites: dict[str, str] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)

    def forget(self, kept: set[str]) -> None:
        """Give up all runs but those: the server has said that it lost changes."""
        self.accepted &= kept
        self.outcomes = {run: outcome for run, outcome in self.outcomes.items() if run in kept}


def address(row: dict[str, Any]) -> str:
    """Return the end of a variant's paths: ``name/branch/provider/model``, each part encoded."""
    return "/".join(quote(row[part], safe="") for part in ("name", "branch", "ai_provider", "ai_model"))


def settle(server: Server, seconds: float = 120.0) -> list[dict[str, Any]]:
    """Wait until no run is in progress; return all rows, whole."""
    end = time.monotonic() + seconds
    while True:
        rows = list(server.call("GET", "api/projects?full=1&limit=1000").json()["projects"])
        if all(row["status"] in TERMINAL for row in rows):
            return rows
        assert time.monotonic() < end, f"still generating: {[row for row in rows if row['status'] not in TERMINAL]}"
        time.sleep(0.05)


def check(server: Server, mark: str, promises: Promises, temporary: Path | None = None) -> list[dict[str, Any]]:
    """Check everything; returns the rows.

    Parameters
    ----------
    server : Server
        It runs, and no run of it is held by anything.
    mark : str
        What its children carry, see `recording.alive`.
    promises : Promises
        Checked, and brought up to date with what is read here.
    temporary : Path, optional
        The server's folder for temporary files.
    """
    rows = settle(server)
    _nothing_is_left(server, mark, temporary)
    runs = list(_runs(server))
    _runs_are_as_told(rows, runs, promises)
    for row in rows:
        _row_is_sound(row)
    folders = {variant_folder(server.data_dir, row): row for row in rows}
    for folder, row in folders.items():
        if folder.is_dir():
            _counts_are_exact(folder, row)
            _files_are_whole(folder)
    for folder, row in folders.items():
        since = [run for run in runs if run["generation_id"] not in promises.known and all(run[part] == row[part] for part in _ADDRESS)]
        _site_is_good(server, folder, row, promises, may_be_new=any(run["outcome"] == "ready" for run in since))
    promises.known = {run["generation_id"] for run in runs}
    return rows


def variant_folder(data_dir: Path, row: dict[str, Any]) -> Path:
    """Return where the files of a variant are, found by its hash."""
    text = "\n".join(row[part] for part in ("name", "branch", "ai_provider", "ai_model", "owner"))
    found = list((data_dir / "variants").glob(f"*-{hashlib.sha256(text.encode()).hexdigest()[:16]}"))
    assert len(found) <= 1, found
    return found[0] if found else data_dir / "variants" / "none"


def cached_pages(folder: Path) -> set[str]:
    """Return the slugs of the current plan whose page is in the cache as it was written."""
    keys = _json(folder / "plan.json").get("keys", {})
    return {slug for slug, key in keys.items() if _whole(folder / "cache" / f"{key}.md")}


def digest(folder: Path) -> str:
    """Return a digest over the names and bytes of all files of a folder."""
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        total.update(f"{path.relative_to(folder)}\n{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def published(folder: Path) -> Path | None:
    """Return the published version of a variant's site."""
    pointer = folder / "sites" / "current"
    return folder / "sites" / pointer.read_text().strip() if pointer.is_file() else None


def _nothing_is_left(server: Server, mark: str, temporary: Path | None) -> None:
    _in_time(lambda: alive(mark), "children are alive")
    _in_time(lambda: list((server.data_dir / "tmp").glob("*")), "temporary folders are left")
    # what an abort leaves on other disks: prompts, clones, sockets
    _in_time(lambda: list(temporary.iterdir() if temporary else ()), "temporary files are left")


def _in_time(left: Callable[[], list[Any]], what: str) -> None:
    end = time.monotonic() + _FOREVER
    while found := left():
        assert time.monotonic() < end, f"{what}: {found}"
        time.sleep(0.05)


def _runs(server: Server) -> Iterator[dict[str, Any]]:
    offset = 0
    while True:
        answer = server.call("GET", f"api/runs?limit=500&offset={offset}").json()
        yield from answer["runs"]
        offset += 500
        if offset >= answer["total"]:
            return


def _runs_are_as_told(rows: list[dict[str, Any]], runs: list[dict[str, Any]], promises: Promises) -> None:
    by_id = {run["generation_id"]: run for run in runs}
    assert len(by_id) == len(runs)
    assert [run for run in runs if run["ended_at"] is None or run["outcome"] not in TERMINAL] == []
    assert promises.accepted - by_id.keys() == set(), "runs that were accepted are gone"
    changed = {run: (told, by_id[run]["outcome"]) for run, told in promises.outcomes.items() if by_id[run]["outcome"] != told}
    assert changed == {}, "runs end otherwise than was told"
    for row in rows:
        assert by_id[row["generation_id"]]["outcome"] == row["status"], row
        promises.outcomes[row["generation_id"]] = row["status"]


def _row_is_sound(row: dict[str, Any]) -> None:
    assert row["current_stage"] in (None, "up_to_date"), row
    assert (row["pages_active"], row["queue_position"], row["eta_at"]) == ([], None, None), row
    assert (row["error_message"] is None) == (row["status"] == "ready"), row
    assert "Internal error" not in (row["error_message"] or ""), row
    assert 0 <= row["page_count"] <= max(len(_slugs(row)), 0), row
    if row["status"] == "ready":
        assert row["page_count"] == len(_slugs(row)) > 0, row
        assert row["site"], row


def _slugs(row: dict[str, Any]) -> list[str]:
    plan = json.loads(row["plan_json"]) if row["plan_json"] else {"navigation": []}
    return [page["slug"] for group in plan["navigation"] for page in group["pages"]]


def _counts_are_exact(folder: Path, row: dict[str, Any]) -> None:
    settled = row["status"] == "ready" or row["failed_stage"] in ("generating_pages", "rendering")
    if settled and _json(folder / "plan.json").get("generation_id") == row["generation_id"]:
        cached = cached_pages(folder) & set(_slugs(row))
        assert row["page_count"] == len(cached), (row, cached)
    for slug in row["pages_done"]:
        assert slug in _slugs(row), row


def _files_are_whole(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} <= _FILES, list(folder.iterdir())
    for path in (path for name in ("cache", "images", "written") for path in (folder / name).glob("*")):
        assert not path.name.endswith((".aside", ".part")), path
    now = published(folder)
    sites = folder / "sites"
    left = {path.name for path in sites.glob("*") if path != now and path.name != "current"}
    retired = {name.removesuffix(".retired") for name in left if name.endswith(".retired")}
    assert {name for name in left if name.removesuffix(".retired") not in retired} == set(), "half a site is left"


def _site_is_good(server: Server, folder: Path, row: dict[str, Any], promises: Promises, *, may_be_new: bool) -> None:
    site = published(folder)
    if site is None:
        assert not row["site"], row
        assert str(folder) not in promises.sites, "the last good site is gone"
        return
    now = digest(site)
    if (row["status"] == "ready" and row["current_stage"] is None) or may_be_new:
        promises.sites[str(folder)] = now
        assert broken_links(site) == [], "half a site is published"
    assert promises.sites.setdefault(str(folder), now) == now, "the last good site has changed"
    if row["site"]:
        answer = server.call("GET", f"docs/{address(row)}/")
        assert (answer.status_code, answer.content) == (200, (site / "index.html").read_bytes())


def _whole(page: Path) -> bool:
    facts = _json(page.with_suffix(".json"))
    return page.is_file() and facts.get("sha256") == hashlib.sha256(page.read_bytes()).hexdigest()


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
