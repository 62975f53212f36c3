"""The JSON routes: each coroutine is an operation of the table in `routes`; it calls the manager and answers JSON."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from docsfy_jupyter.errors import Ambiguous, BadRequest, Conflict, NoSite, NotFound
from docsfy_jupyter.models import Status, Variant
from docsfy_jupyter.requests import GenerateBatch, GenerateRequest, validated
from docsfy_jupyter.server.addressing import Address, matching, missing_project, resolve
from docsfy_jupyter.server.base import ACTIONS, RIGHTS_HEADER, DocsfyHandler
from docsfy_jupyter.server.batches import BATCHES_SETTING, Batches, accepted
from docsfy_jupyter.server.listing import Drawing
from docsfy_jupyter.server.queries import (
    AbortQuery,
    AddressQuery,
    EventsQuery,
    FreshnessQuery,
    GenerateQuery,
    ListQuery,
    OwnerQuery,
    RowQuery,
    RunsQuery,
)
from docsfy_jupyter.server.quiet import ASKED_SETTING, Asked, DebugLog
from docsfy_jupyter.server.route import Route
from docsfy_jupyter.site.archive import write_archive
from docsfy_jupyter.site.versions import SiteVersions

MAX_WAIT = 25.0  # seconds; below the idle limits of common proxies


class SystemHandler(DocsfyHandler):
    """What is asked of the server as a whole."""

    async def get_health(self) -> None:
        """Whether the store is open and has all that ended: 503 with the reason otherwise."""
        self.set_header("Docsfy-Data-Dir", quote(str(self.manager.settings.data_dir.absolute())))  # a name may be of any script
        self.set_header("Docsfy-User", quote(self.caller))
        self.set_header(RIGHTS_HEADER, ", ".join([action for action in ACTIONS.values() if await self.may(action)]))
        await self.manager.check()
        self.reply({"status": "ok"})

    async def list_models(self) -> None:
        """List providers, their models and whether they are available; a refresh tries what they talk to, too."""
        probe = self.request.method == "POST"
        settings = self.manager.settings
        provider = self.manager.providers.get(settings.default_provider)
        default = settings.default_model or provider.default_model
        defaults = {settings.default_provider: default}
        described = await asyncio.to_thread(lambda: self.manager.providers.describe(defaults, probe=probe))
        self.reply({**described, "default_provider": settings.default_provider, "default_model": default})

    async def list_runs(self, query: RunsQuery) -> None:
        """List the runs, newest first."""
        store = await self.manager.ready()
        filters = query.model_dump(exclude={"limit", "offset"}, exclude_none=True)
        runs, total = await store.list_runs(filters, min(query.limit, 1000), query.offset)
        self.reply({"runs": runs, "total": total})

    async def generate(self, query: GenerateQuery, body: GenerateRequest | GenerateBatch) -> None:
        """Start a run, or one for each item of a list."""
        if isinstance(body, GenerateBatch):
            batches: Batches = self.settings[BATCHES_SETTING]
            self.reply(await batches.start(body.root, self.caller, str(query.batch_id or uuid.uuid4())), 202)
            return
        row = await self.manager.generate(body, self.caller)
        path = "/".join(quote(part, safe="") for part in (row.name, row.branch, row.ai_provider, row.ai_model))
        self.set_header("Location", f"{self.base_url}docsfy/api/projects/{path}")
        self.reply(accepted(row), 202)


class ListHandler(DocsfyHandler):
    """The listing."""

    async def list_projects(self, query: ListQuery) -> None:
        """List the variants, newest first."""
        await self.manager.ready()
        listing = self.listing
        if query.wait is None and self.is_known(listing.tag):
            return
        rows, total = await self._found(query)
        if not self.is_known(listing.tag):
            await self.send_parts(listing.parts(rows, total, drawn=query.view is not None, full=query.full))

    async def _found(self, query: ListQuery) -> tuple[list[Variant], int]:
        """Return the rows to show, and how many fit; where none does, wait for one as long as the query says."""
        loop, feed, limit = asyncio.get_running_loop(), self.manager.feed, min(query.limit, 10_000)
        deadline = loop.time() + min(query.wait or 0.0, MAX_WAIT)
        while True:
            revision = feed.revision
            if not (query.since or query.status or query.provider or query.q):
                rows, total = feed.newest(query.offset, limit), len(feed)
            else:
                fitting = [row for row in feed.changed_after(query.since) if _wanted(row, query)]
                rows, total = fitting[query.offset : query.offset + limit], len(fitting)
            if total or loop.time() >= deadline or not await feed.wait(revision, deadline - loop.time()):
                return rows, total

    async def list_freshness(self, query: FreshnessQuery) -> None:
        """List whether the variants document what their branches hold now."""
        await self.manager.ready()
        wanted = ListQuery(q=query.q)
        known = self.manager.feed.rows() if query.name is None else self.manager.feed.named(query.name)
        rows = sorted((row for row in known if _wanted(row, wanted)), key=lambda row: row.key)
        shown = rows[query.offset : query.offset + min(query.limit, 1000)]
        self.reply({"variants": await self.manager.freshness.of(shown, anew=query.refresh), "total": len(rows)})


def _wanted(row: Variant, query: ListQuery) -> bool:
    return (
        query.status in (None, row.status)
        and query.provider in (None, "", row.ai_provider)
        and (not query.q or query.q.casefold() in f"{row.address} {row.repo_url}".casefold())
    )


class VariantHandler(DocsfyHandler):
    """What can be done with one variant; how it is named is the subclasses' matter."""

    _asked_again = False

    @property
    def log(self) -> Any:
        """Jupyter's log, which is told once that somebody waits for a variant that is not there."""
        return DebugLog(super().log, {}) if self._asked_again else super().log

    async def address(self) -> Address:
        """Return what the request names."""
        raise NotImplementedError

    async def row(self) -> Variant:
        """Return the row that the request names.

        Raises
        ------
        BadRequest, NotFound, Ambiguous
        """
        await self.manager.ready()
        return resolve(self.manager.feed, await self.address(), self.caller)

    async def get_variant(self, query: RowQuery) -> None:
        """Read the row, or what a client draws of it; held until it changes where ``wait`` says so."""
        try:
            row = await self.row()
        except NotFound:
            asked: Asked = self.settings[ASKED_SETTING]
            named = self.query_values()
            self._asked_again = asked.again((self.request.path, *map(named.get, AddressQuery.model_fields)))
            raise
        await self.answer_row(row, query)

    async def answer_row(self, row: Variant, query: RowQuery) -> None:
        """Answer a row as the query says."""
        draw = self.listing.progress if query.view == "progress" else self.listing.whole
        if query.wait is not None:
            row = await self._held(row, draw, min(query.wait, MAX_WAIT))
        drawing = draw(row)
        if not self.is_known(drawing.tag):
            self.finish(drawing.text)

    async def _held(self, row: Variant, draw: Callable[[Variant], Drawing], seconds: float) -> Variant:
        if self.given_tags() and draw(row).tag not in self.given_tags():
            return row  # it has changed already
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        feed, seen = self.manager.feed, row
        while seen is row and loop.time() < deadline:
            if not await feed.wait(feed.revision, deadline - loop.time()):
                break
            seen = self.manager.find(row.key)
        return seen

    async def list_events(self, query: EventsQuery) -> None:
        """List the events of the present or latest run, oldest first."""
        row = await self.row()
        store = await self.manager.ready()
        events = await store.list_events(row.generation_id, query.after, min(query.limit, 5000))
        self.reply({"events": events, "generation_id": row.generation_id})

    async def abort_variant(self, query: AbortQuery) -> None:
        """Abort the run; answers when its processes are gone."""
        await self.answer_abort(await self.row(), query)

    async def answer_abort(self, row: Variant, query: AbortQuery) -> None:
        """Abort a row's run and answer it."""
        ended = await self.manager.abort(row.key, self.caller, query.generation_id)
        self.reply({"aborted": ended.address, "variant": ended.to_json()})

    async def delete_variant(self) -> None:
        """Delete the variant with its pages and site."""
        row = await self.row()
        await self.manager.delete(row.key, self.caller)
        self.reply({"deleted": row.address})

    async def render_variant(self) -> None:
        """Render the site again from the page cache."""
        row = await self.row()
        self.reply((await self.manager.render(row.key)).to_json())

    async def download_variant(self) -> None:
        """Send the site as ``.tar.gz``."""
        row = await self.row()
        await self.send_site(row, _archive_name(row))

    async def send_site(self, row: Variant, top: str) -> None:
        """Send a row's site, everything in one top folder."""
        async with self.scratch() as folder:
            path = folder / "site.tar.gz"
            if not await asyncio.to_thread(_archive, self.manager.folder(row.key).sites, path, top):
                raise NoSite(f"{row.address} has no site yet; generate it first.")
            await self.send_file(path, f"{top}.tar.gz", "application/gzip")


def _archive(sites: SiteVersions, target: Path, top: str) -> bool:
    """Pack the published site; False where there is none."""
    with sites.reading() as site:
        if site is not None:
            write_archive(site, target, top)
        return site is not None


def _archive_name(row: Variant) -> str:
    parts = (row.name, row.branch, row.ai_provider, row.ai_model)
    return "-".join("".join(c if c.isalnum() or c in "._-" else "-" for c in part) for part in parts)


class PathHandler(VariantHandler):
    """A variant named by the path, with or without a branch."""

    async def choose(self) -> Route:
        """Where a path fits both forms, an existing variant decides, the longer key first."""
        for route in [route for route in self.readings[:-1] if self.request.method in route.operations]:
            await self.manager.ready()
            if matching(self.manager.feed, self._address(route)):
                return route
        return self.readings[-1]

    async def address(self) -> Address:
        """Return what the path names."""
        return self._address(self.route)

    def _address(self, route: Route | None) -> Address:
        return Address(**self.path_parts(route), owner=validated(OwnerQuery, self.query_values()).owner)


class QueryHandler(VariantHandler):
    """A variant named by the query, for proxies that decode ``%2F`` in paths."""

    async def address(self) -> Address:
        """Return what the query names."""
        return Address(**validated(AddressQuery, self.query_values()).model_dump())


class RunIdHandler(VariantHandler):
    """A variant named by the id of its latest run."""

    async def row(self) -> Variant:
        """Return the row whose latest run has this id."""
        text = self.path_parts()["generation_id"]
        await self.manager.ready()
        try:
            wanted = str(uuid.UUID(text))
        except ValueError:
            raise BadRequest(f"{text[:60]!r} is not a generation id (a UUID).") from None
        row = self.manager.feed.of_run(wanted)
        if row is not None:
            return row
        raise NotFound(f"No variant's latest run is {wanted}.")


class ProjectHandler(VariantHandler):
    """All variants of one name."""

    async def variants(self) -> list[Variant]:
        """Return the rows of the name, of the owner whom the query names or of everybody.

        Raises
        ------
        NotFound
        """
        await self.manager.ready()
        name, owner = self.path_parts()["name"], validated(OwnerQuery, self.query_values()).owner
        rows = sorted((row for row in self.manager.feed.named(name) if owner in (None, row.owner)), key=lambda row: row.key)
        if not rows:
            raise missing_project(self.manager.feed, name, owner)
        return rows

    async def own_variants(self) -> list[Variant]:
        """Return the rows that a change of the whole name is about: one owner's, the caller's before others'.

        Raises
        ------
        NotFound
        Ambiguous
            Several others have it and the query names none.
        """
        rows = await self.variants()
        rows = [row for row in rows if row.owner == self.caller] or rows
        owners = sorted({row.owner for row in rows})
        if len(owners) > 1:
            message = f"{rows[0].name} belongs to several owners; name one (owner=…): {', '.join(owners)}."
            raise Ambiguous(message, candidates=owners)
        return rows

    async def get_project(self) -> None:
        """List the variants of a name."""
        rows = await self.variants()
        self.reply_tagged({"name": rows[0].name, "variants": [row.to_json(slim=True) for row in rows]})

    async def download_project(self) -> None:
        """Send the newest site of a name as ``.tar.gz``."""
        rows = await self.own_variants()
        with_site = [row for row in rows if row.site]
        if not with_site:
            raise NoSite(f"No variant of {rows[0].name} has a site yet; generate one first.")
        await self.send_site(max(with_site, key=lambda row: row.last_generated or ""), rows[0].name)

    async def abort_project(self, query: AbortQuery) -> None:
        """Abort the one run of a name that is in progress."""
        rows = await self.own_variants()
        active = [row for row in rows if row.status is Status.GENERATING]
        if not active:
            raise NotFound(f"No run of {rows[0].name} is in progress.")
        if len(active) > 1:
            names = sorted(row.address for row in active)
            message = f"Several runs of {rows[0].name} are in progress; abort one of: {', '.join(names)}."
            raise Conflict(message, candidates=names)
        await self.answer_abort(active[0], query)

    async def delete_project(self) -> None:
        """Delete every variant of a name."""
        rows = await self.own_variants()
        busy = [row.address for row in rows if row.status is Status.GENERATING]
        if busy:
            raise Conflict(f"{', '.join(busy)} is generating; abort it before deleting {rows[0].name}.")
        deleted: list[str] = []
        for row in rows:
            try:
                await self.manager.delete(row.key, self.caller)
            except (Conflict, NotFound) as error:  # somebody was faster with this one
                raise Conflict(f"{error.message} Deleted already: {', '.join(deleted) or 'nothing'}.") from None
            deleted.append(row.address)
        self.reply({"deleted": rows[0].name})
