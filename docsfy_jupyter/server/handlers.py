"""The REST routes: each method validates, calls one verb of the manager and answers JSON."""

from __future__ import annotations

import asyncio
import os
import tempfile
import uuid
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from tornado import iostream

from docsfy_jupyter.errors import BadRequest, Conflict, NoSite, NotFound
from docsfy_jupyter.models import Status, Variant, validate_body
from docsfy_jupyter.screen import screen
from docsfy_jupyter.server.addressing import Address, Target, decode_segment, matching, parse_target, resolve
from docsfy_jupyter.server.base import DocsfyHandler
from docsfy_jupyter.site.archive import write_archive

MAX_WAIT = 25


class HealthHandler(DocsfyHandler):
    """``GET health``."""

    async def get(self) -> None:
        """Answer 200 once the store is open, 503 with who holds it otherwise."""
        await self.manager.ready()
        self.reply({"status": "ok"})


class GenerateHandler(DocsfyHandler):
    """``POST api/generate``."""

    verbs: ClassVar[dict[str, str]] = {"POST": "execute"}

    async def post(self) -> None:
        """Start a run."""
        body = self.body()
        if isinstance(body, list):
            raise BadRequest("A list of requests is not supported by this version; send them one by one.")
        row = await self.manager.generate(validate_body(body), self.caller)
        path = "/".join(quote(part, safe="") for part in (row.name, row.branch, row.ai_provider, row.ai_model))
        self.set_header("Location", f"{self.base_url}docsfy/api/projects/{path}")
        self.reply(
            {"project": row.name, "status": row.status.value, "branch": row.branch, "generation_id": row.generation_id}, 202
        )


class ListHandler(DocsfyHandler):
    """``GET api/projects`` and ``api/status``."""

    async def get(self) -> None:
        """Answer the rows, newest first."""
        await self.manager.ready()
        status = self.get_query_argument("status", "")
        if status and status not in set(Status):
            raise BadRequest(f"status={status[:40]!r} is none of {', '.join(Status)}.")
        rows = [row for row in self.manager.feed.rows() if self._wanted(row)]
        rows.sort(key=lambda row: (row.updated_at, row.key), reverse=True)
        limit, offset = self.number("limit", 1000, 10_000), self.number("offset", 0, 10**9)
        slim = self.get_query_argument("full", "0") != "1"
        self.reply_tagged(
            {
                "projects": [row.to_json(slim=slim) for row in rows[offset : offset + limit]],
                "known_branches": _known(self.manager.feed.rows(), "name", "branch"),
                "known_models": _known(self.manager.feed.rows(), "ai_provider", "ai_model"),
                "total": len(rows),
                "rev": self.manager.feed.revision,
            }
        )

    def _wanted(self, row: Variant) -> bool:
        status, provider = self.get_query_argument("status", ""), self.get_query_argument("provider", "")
        text = self.get_query_argument("q", "").casefold()
        since = self.number("since", 0, 10**12)
        return (
            (not status or row.status == status)
            and (not provider or row.ai_provider == provider)
            and (not text or text in f"{row.address} {row.repo_url}".casefold())
            and (not since or self.manager.feed.revision_of(row.key) > since)
        )


def _known(rows: Any, group: str, member: str) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(getattr(row, group), set()).add(getattr(row, member))
    return {key: sorted(values) for key, values in sorted(found.items())}


class VariantVerbs(DocsfyHandler):
    """What can be done with one variant, whichever form named it."""

    async def read_variant(self, row: Variant) -> None:
        """Answer the row, what a client draws of it, or hold the answer until it changes."""
        if self.get_query_argument("wait", None) is not None:
            row = await self._held(row)
        view = self.get_query_argument("view", "")
        if view not in ("", "progress"):
            raise BadRequest(f"view={view[:40]!r} is not known; there is view=progress.")
        if view == "progress":
            self.reply_tagged(screen(row))
        else:
            self.reply_tagged(row.to_json())

    async def _held(self, row: Variant) -> Variant:
        tag = self.get_query_argument("etag", "")
        if tag:
            self.request.headers["If-None-Match"] = tag if tag.startswith('"') else f'"{tag}"'
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.number("wait", 0, MAX_WAIT)
        feed, seen = self.manager.feed, row
        while seen == row and loop.time() < deadline:
            if not await feed.wait(feed.revision, deadline - loop.time()):
                break
            seen = self.manager.find(row.key)
        return seen

    async def list_events(self, row: Variant) -> None:
        """Answer the events of the present run, paged."""
        store = await self.manager.ready()
        after, limit = self.number("after", 0, 10**12), self.number("limit", 500, 5000)
        self.reply({"events": await store.list_events(row.generation_id, after, limit), "generation_id": row.generation_id})

    async def abort_variant(self, row: Variant) -> None:
        """Abort the run of a variant."""
        given = self.get_query_argument("generation_id", None)
        ended = await self.manager.abort(row.key, self.caller, given)
        self.reply({"aborted": ended.address, "variant": ended.to_json()})

    async def delete_variant(self, row: Variant) -> None:
        """Delete a variant."""
        await self.manager.delete(row.key, self.caller)
        self.reply({"deleted": row.address})

    async def render_variant(self, row: Variant) -> None:
        """Render a variant again from its page cache."""
        self.reply((await self.manager.render(row.key)).to_json())

    async def download(self, row: Variant, top: str) -> None:
        """Send the site as ``.tar.gz``."""
        site = await asyncio.to_thread(self.manager.folder(row.key).sites.current)
        if site is None:
            raise NoSite(f"{row.address} has no site yet; generate it first.")
        path = await asyncio.to_thread(_archived, site, top)
        try:
            await self._send(path, f"{top}.tar.gz")
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def _send(self, path: Path, name: str) -> None:
        self.set_header("Content-Type", "application/gzip")
        self.set_header("Content-Disposition", f"attachment; filename*=UTF-8''{quote(name, safe='')}")
        with await asyncio.to_thread(path.open, "rb") as file:
            while chunk := await asyncio.to_thread(file.read, 1 << 18):
                self.write(chunk)
                try:
                    await self.flush()
                except iostream.StreamClosedError:
                    return
        self.finish(set_content_type="application/gzip")


def _archived(site: Path, top: str) -> Path:
    handle, name = tempfile.mkstemp(prefix="docsfy-download-", suffix=".tar.gz")
    os.close(handle)
    write_archive(site, Path(name), top)
    return Path(name)


def _archive_name(row: Variant) -> str:
    parts = (row.name, row.branch, row.ai_provider, row.ai_model)
    return "-".join("".join(c if c.isalnum() or c in "._-" else "-" for c in part) for part in parts)


class ProjectsHandler(VariantVerbs):
    """Everything below ``api/projects/``."""

    verbs: ClassVar[dict[str, str]] = {"GET": "read", "POST": "execute", "DELETE": "write"}

    async def _target(self) -> Target:
        await self.manager.ready()
        segments = [decode_segment(raw) for raw in self.raw_segments("api/projects/")]
        return parse_target(segments, lambda address: bool(matching(self.manager.feed, address)))

    def _row(self, address: Address) -> Variant:
        owner = self.get_query_argument("owner", None)
        return resolve(
            self.manager.feed, Address(address.name, address.provider, address.model, address.branch, owner), self.caller
        )

    def _variants(self, name: str) -> list[Variant]:
        rows = sorted((row for row in self.manager.feed.rows() if row.name == name), key=lambda row: row.key)
        if not rows:
            raise NotFound(f"There is no project {name!r}.")
        return rows

    async def get(self, _: str) -> None:
        """Answer a project or a variant, its events or its site."""
        target = await self._target()
        if target.variant is None and target.action is None:
            rows = self._variants(target.name)
            self.reply_tagged({"name": target.name, "variants": [row.to_json(slim=True) for row in rows]})
        elif target.variant is None and target.action == "download":
            await self.download(self._newest_site(target.name), target.name)
        elif target.variant is not None and target.action is None:
            await self.read_variant(self._row(target.variant))
        elif target.variant is not None and target.action == "events":
            await self.list_events(self._row(target.variant))
        elif target.variant is not None and target.action == "download":
            row = self._row(target.variant)
            await self.download(row, _archive_name(row))
        else:
            raise NotFound(f"{self.request.path} answers to POST.")

    def _newest_site(self, name: str) -> Variant:
        rows = [row for row in self._variants(name) if row.site]
        if not rows:
            raise NoSite(f"No variant of {name} has a site yet; generate one first.")
        return max(rows, key=lambda row: row.last_generated or "")

    async def post(self, _: str) -> None:
        """Abort or render."""
        target = await self._target()
        if target.action == "abort" and target.variant is None:
            await self.abort_variant(self._only_active(target.name))
        elif target.action == "abort" and target.variant is not None:
            await self.abort_variant(self._row(target.variant))
        elif target.action == "render" and target.variant is not None:
            await self.render_variant(self._row(target.variant))
        else:
            raise NotFound(f"There is nothing to POST to at {self.request.path}.")

    def _only_active(self, name: str) -> Variant:
        active = [row for row in self._variants(name) if row.status is Status.GENERATING]
        if not active:
            raise NotFound(f"No run of {name} is in progress.")
        if len(active) > 1:
            names = sorted(row.address for row in active)
            raise Conflict(f"Several runs of {name} are in progress; abort one of: {', '.join(names)}.", candidates=names)
        return active[0]

    async def delete(self, _: str) -> None:
        """Delete a variant or a whole project."""
        target = await self._target()
        if target.action is not None:
            raise NotFound(f"There is nothing to delete at {self.request.path}.")
        if target.variant is not None:
            await self.delete_variant(self._row(target.variant))
            return
        rows = self._variants(target.name)
        busy = [row.address for row in rows if row.status is Status.GENERATING]
        if busy:
            raise Conflict(f"{', '.join(busy)} is generating; abort it before deleting {target.name}.")
        for row in rows:
            await self.manager.delete(row.key, self.caller)
        self.reply({"deleted": target.name})


class ByIdHandler(VariantVerbs):
    """``GET api/projects/by-id/{uuid}``."""

    async def get(self, text: str) -> None:
        """Answer the variant of a generation id."""
        await self.manager.ready()
        try:
            wanted = str(uuid.UUID(text))
        except ValueError:
            raise BadRequest(f"{text[:60]!r} is not a generation id (a UUID).") from None
        for row in self.manager.feed.rows():
            if row.generation_id == wanted:
                await self.read_variant(row)
                return
        raise NotFound(f"No variant's latest run is {wanted}.")


class VariantHandler(VariantVerbs):
    """``api/variant``: the query form, for proxies that decode ``%2F``."""

    verbs: ClassVar[dict[str, str]] = {"GET": "read", "DELETE": "write", "POST": "execute"}

    async def _row(self) -> Variant:
        await self.manager.ready()
        return resolve(self.manager.feed, self.query_address(), self.caller)

    async def get(self, action: str | None = None) -> None:
        """Answer the variant, its events or its site."""
        row = await self._row()
        if not action:
            await self.read_variant(row)
        elif action == "events":
            await self.list_events(row)
        elif action == "download":
            await self.download(row, _archive_name(row))
        else:
            raise NotFound(f"{self.request.path} answers to POST.")

    async def delete(self, action: str | None = None) -> None:
        """Delete the variant."""
        if action:
            raise NotFound(f"There is nothing to delete at {self.request.path}.")
        await self.delete_variant(await self._row())

    async def post(self, action: str | None = None) -> None:
        """Abort or render the variant."""
        row = await self._row()
        if action == "abort":
            await self.abort_variant(row)
        elif action == "render":
            await self.render_variant(row)
        else:
            raise NotFound(f"There is nothing to POST to at {self.request.path}.")


class ModelsHandler(DocsfyHandler):
    """``GET api/models``, ``POST api/models/refresh``."""

    verbs: ClassVar[dict[str, str]] = {"GET": "read", "POST": "execute"}

    async def get(self) -> None:
        """Answer providers, their models and whether they are available."""
        described = await asyncio.to_thread(self.manager.providers.describe)
        settings = self.manager.settings
        provider = self.manager.providers.get(settings.default_provider)
        default = settings.default_model or provider.default_model
        self.reply({**described, "default_provider": settings.default_provider, "default_model": default})

    post = get


class RunsHandler(DocsfyHandler):
    """``GET api/runs``."""

    async def get(self) -> None:
        """Answer the runs, newest first, paged and filtered."""
        store = await self.manager.ready()
        names = ("name", "branch", "provider", "model", "outcome", "since")
        filters = {name: self.get_query_argument(name, None) for name in names}
        limit, offset = self.number("limit", 100, 1000), self.number("offset", 0, 10**9)
        runs, total = await store.list_runs({k: v for k, v in filters.items() if v}, limit, offset)
        self.reply({"runs": runs, "total": total})
