"""Files of one variant below the data folder: page cache, plan, manifest, images, site versions and what they are made of.

Everything is written aside and renamed, so that a crash at any moment leaves whole files only. All methods block:
the pipeline calls them off the event loop.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docsfy_jupyter.models import Plan, PlanPage, VariantKey, parse_plan
from docsfy_jupyter.site.versions import SiteVersions
from docsfy_jupyter.store.records import Ending


@dataclass(frozen=True)
class KnownPlan:
    """The plan of an earlier run, and what it was made from.

    Parameters
    ----------
    commit, settings : str
        What the plan is for.
    plan : Plan
        The plan.
    generation_id : str
        The latest run that wrote its pages; empty before there is one.
    keys : dict
        Where that run's pages are, or are going to be: slug → cache key.
    """

    commit: str
    settings: str
    plan: Plan
    generation_id: str = ""
    keys: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PublishedEnd:
    """How the run ends, or ended, that made a version of the site.

    Parameters
    ----------
    site : str
        The version's name.
    manifest : dict
        What it was rendered from.
    ending : Ending
        What the database gets, or has got.
    """

    site: str
    manifest: dict[str, Any]
    ending: Ending


class VariantFolder:
    """The files of one variant.

    Parameters
    ----------
    data_dir : Path
        The server's data folder.
    key : VariantKey
        The variant; its folder's name is readable and ends in a hash, so that no two variants share one.
    """

    def __init__(self, data_dir: Path, key: VariantKey) -> None:
        text = "\n".join((key.name, key.branch, key.ai_provider, key.ai_model, key.owner))
        readable = re.sub(r"[^A-Za-z0-9._-]+", "-", key.address)[:80].strip("-.")
        self.path = data_dir / "variants" / f"{readable}-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:16]}"
        self.cache = self.path / "cache"
        self.images = self.path / "images"
        self.written = self.path / "written"
        self.sites = SiteVersions(self.path / "sites")

    def page(self, cache_key: str) -> Path:
        """Return where the page of that address is, or would be."""
        return self.cache / f"{cache_key}.md"

    def store_page(self, cache_key: str, markdown: str, images: dict[str, str]) -> None:
        """Keep a page: its images' list and its digest first, then its text."""
        text = markdown.encode("utf-8", "replace")
        _write(self._facts(cache_key), json.dumps({"sha256": hashlib.sha256(text).hexdigest(), "images": images}).encode())
        _write(self.page(cache_key), text)

    def page_images(self, cache_key: str) -> dict[str, str]:
        """Return the images of a cached page: repository path → git blob."""
        return dict(_read(self._facts(cache_key)).get("images", {}))

    def store_image(self, source: Path, blob: str) -> None:
        """Keep an image of the repository under its blob's id."""
        target = self.images / blob
        if not target.exists():
            self.images.mkdir(parents=True, exist_ok=True)
            with _aside(target) as aside:
                shutil.copyfile(source, aside, follow_symlinks=False)

    def cached(self, keys: dict[str, str]) -> set[str]:
        """Return the slugs whose page is cached, byte for byte as it was stored; ``keys`` maps slug → cache key."""
        return {slug for slug, key in keys.items() if self._is_whole(key)}

    def store_plan(self, known: KnownPlan) -> None:
        """Keep the settled plan with the commit and settings that it was made for."""
        _write(self.path / "plan.json", json.dumps({**vars(known), "plan": known.plan.to_json()}).encode())

    def load_plan(self) -> KnownPlan | None:
        """Return the kept plan; None where there is none or it cannot be read."""
        data = _read(self.path / "plan.json")
        plan = parse_plan(data.get("plan"))
        if plan is None:
            return None
        texts = {name: str(data.get(name)) for name in ("commit", "settings", "generation_id")}
        return KnownPlan(plan=plan, keys=dict(data.get("keys") or {}), **texts)

    def store_manifest(self, manifest: dict[str, Any]) -> None:
        """Keep what the last good site was rendered from."""
        _write(self.path / "manifest.json", json.dumps(manifest).encode())

    def load_manifest(self) -> dict[str, Any]:
        """Return what the last good site was rendered from; empty where nothing was."""
        return _read(self.path / "manifest.json")

    def store_end(self, end: PublishedEnd) -> None:
        """Keep how a run ends that is about to publish its site; of the run before it nothing stays."""
        _write(self.path / "end.json", json.dumps({**vars(end), "ending": end.ending.to_json()}).encode())

    def load_end(self) -> PublishedEnd | None:
        """Return what `store_end` kept; None where there is nothing, or it cannot be read."""
        data = _read(self.path / "end.json")
        try:
            manifest = {**data["manifest"], "keys": dict(data["manifest"]["keys"])}
            return PublishedEnd(data["site"], manifest, Ending.from_json(data["ending"]))
        except (ValueError, TypeError, KeyError, AttributeError):
            return None

    def empty_cache(self) -> None:
        """Forget every page and the plan; the site stays."""
        shutil.rmtree(self.cache, ignore_errors=True)
        for name in ("plan.json", "manifest.json"):
            (self.path / name).unlink(missing_ok=True)

    def prune(self, keys: dict[str, str]) -> None:
        """Remove pages that the current plan does not use."""
        used = set(keys.values())
        for path in self.cache.glob("*"):
            if path.stem not in used:
                path.unlink(missing_ok=True)

    def discard_given_up(self) -> None:
        """Remove what a rendering that failed, or was aborted, has begun; for when none is under way."""
        self.sites.discard_unpublished()
        for path in self.written.glob("*.aside"):
            path.unlink(missing_ok=True)

    def discard_unfinished(self) -> None:
        """Remove what a killed server left half written; for when no run and no rendering can be under way."""
        self.sites.discard_unfinished()
        for folder in (self.path, self.cache, self.images, self.written):
            for path in folder.glob("*.aside"):
                path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove everything of the variant."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _facts(self, cache_key: str) -> Path:
        return self.cache / f"{cache_key}.json"

    def _is_whole(self, cache_key: str) -> bool:
        """Say whether a page is what was stored: a disk that lost power or went bad may have kept a part of it, or nothing."""
        try:
            text = self.page(cache_key).read_bytes()
        except OSError:
            return False
        return _read(self._facts(cache_key)).get("sha256") == hashlib.sha256(text).hexdigest()


def cache_key(page: PlanPage, blobs: dict[str, str], provider: str, version: str, model: str, prompt_hash: str) -> str:
    """Return a page's address in the cache: a hash over everything that makes its text what it is."""
    sources = [(path, blobs.get(path, "")) for path in sorted(page.sources)]
    parts = [page.slug, page.title, page.description, sources, page.fingerprint, provider, version, model, prompt_hash]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()[:40]


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with _aside(path) as aside:
        aside.write_bytes(content)


@contextmanager
def _aside(path: Path) -> Iterator[Path]:
    """Give a name to write to, which becomes `path` when that went well; nothing stays of what did not fit on the disk."""
    aside = path.with_name(f"{path.name}.{os.getpid()}.aside")
    try:
        yield aside
        os.replace(aside, path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
