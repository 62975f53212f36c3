"""The one table of routes: it registers the handlers and is what ``api/openapi.json`` is made from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from docsfy_jupyter.requests import GenerateBatch, GenerateRequest
from docsfy_jupyter.server import batches, estimates, handlers, history, pages, site_handlers, updates
from docsfy_jupyter.server.base import UnknownHandler
from docsfy_jupyter.server.openapi import OpenApiHandler
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
    TableQuery,
)
from docsfy_jupyter.server.route import PREFIX, Operation, Route

_GENERATE = Operation(
    "generate", "Generated", GenerateQuery, body=GenerateRequest, many=GenerateBatch, status=202, errors=(409, 413)
)
_ROW = Operation("get_variant", "Row", RowQuery, errors=(404, 409), tagged=True)
_EVENTS = Operation("list_events", "Events", EventsQuery, errors=(404, 409))
_ABORT = Operation("abort_variant", "Aborted", AbortQuery, errors=(404, 409))
_DELETE = Operation("delete_variant", "Deleted", errors=(404, 409))
_DOWNLOAD = Operation("download_variant", "application/gzip", errors=(404, 409))
_RENDER = Operation("render_variant", "Variant", errors=(404, 409))
_LIST = Operation("list_projects", "Listing", ListQuery, tagged=True)
_FILE = Operation("get_site", "*/*", errors=(404, 409))
_PAGE = Operation("get_status_page", "text/html", OwnerQuery)
_DECODED = replace(_PAGE, errors=(404,))


def _variant(path: str, handler: type[handlers.VariantHandler], query: Any, suffix: str) -> tuple[Route, ...]:
    """All that can be done with one variant, whichever way it is named."""
    calls: Mapping[str, Mapping[str, Operation]] = {
        "": {"GET": _ROW, "DELETE": _DELETE},
        "/abort": {"POST": _ABORT},
        "/download": {"GET": _DOWNLOAD},
        "/events": {"GET": _EVENTS},
        "/render": {"POST": _RENDER},
    }
    return tuple(Route(path + end, handler, operations, query, suffix) for end, operations in calls.items())


ROUTES: tuple[Route, ...] = (
    Route("/", pages.OverviewHandler, {"GET": Operation("get_overview", "text/html")}),
    Route("/health", handlers.SystemHandler, {"GET": Operation("get_health", "Health")}),
    Route("/api/openapi.json", OpenApiHandler, {"GET": Operation("get_description", "Description", tagged=True)}),
    Route("/api/generate", handlers.SystemHandler, {"POST": _GENERATE}),
    Route(
        "/api/estimate",
        estimates.EstimateHandler,
        {"POST": Operation("estimate", "Estimate", body=GenerateRequest, errors=(409, 413))},
    ),
    Route("/api/batches/{batch_id}", batches.BatchHandler, {"GET": Operation("get_batch", "Batch", errors=(404,), tagged=True)}),
    Route(
        "/api/batches/{batch_id}/abort",
        batches.BatchHandler,
        {"POST": Operation("abort_batch", "BatchAborted", errors=(404,))},
    ),
    Route("/api/projects", handlers.ListHandler, {"GET": _LIST}),
    Route("/api/ws", updates.UpdatesHandler, {"GET": Operation("follow", "text/plain", status=101)}),
    Route("/api/status", handlers.ListHandler, {"GET": _LIST}, suffix="_status"),
    Route("/api/freshness", handlers.ListHandler, {"GET": Operation("list_freshness", "Freshness", FreshnessQuery)}),
    Route("/api/models", handlers.SystemHandler, {"GET": Operation("list_models", "Models")}),
    Route("/api/models/refresh", handlers.SystemHandler, {"POST": Operation("list_models", "Models")}, suffix="_refreshed"),
    Route("/api/runs", handlers.SystemHandler, {"GET": Operation("list_runs", "Runs", RunsQuery)}),
    Route(
        "/api/history.parquet",
        history.HistoryHandler,
        {"GET": Operation("export_history", "application/vnd.apache.parquet", TableQuery)},
    ),
    Route("/api/snapshot", history.HistoryHandler, {"GET": Operation("export_snapshot", "application/vnd.duckdb.file")}),
    Route("/api/projects/by-id/{generation_id}", handlers.RunIdHandler, {"GET": _ROW}, suffix="_by_run"),
    Route(
        "/api/projects/{name}",
        handlers.ProjectHandler,
        {
            "GET": Operation("get_project", "Project", errors=(404,), tagged=True),
            "DELETE": Operation("delete_project", "Deleted", errors=(404, 409)),
        },
        OwnerQuery,
    ),
    Route(
        "/api/projects/{name}/abort",
        handlers.ProjectHandler,
        {"POST": Operation("abort_project", "Aborted", AbortQuery, errors=(404, 409))},
        OwnerQuery,
    ),
    Route(
        "/api/projects/{name}/download",
        handlers.ProjectHandler,
        {"GET": Operation("download_project", "application/gzip", errors=(404, 409))},
        OwnerQuery,
    ),
    *_variant("/api/variant", handlers.QueryHandler, AddressQuery, "_by_query"),
    *_variant("/api/projects/{name}/{branch}/{provider}/{model}", handlers.PathHandler, OwnerQuery, "_of_branch"),
    *_variant("/api/projects/{name}/{provider}/{model}", handlers.PathHandler, OwnerQuery, ""),
    Route("/docs/{name}/{provider}/{model}", site_handlers.SiteHandler, {"GET": _FILE}),
    Route("/docs/{name}/{provider}/{model}/{path}", site_handlers.SiteHandler, {"GET": _FILE}, suffix="_file"),
    Route("/docs/{name}/{branch}/{provider}/{model}/{path}", site_handlers.SiteHandler, {"GET": _FILE}, suffix="_file_of_branch"),
    Route("/status/{name}/{provider}/{model}", pages.StatusPageHandler, {"GET": _PAGE}),
    Route("/status/{name}/{branch}/{provider}/{model}", pages.StatusPageHandler, {"GET": _PAGE}, suffix="_of_branch"),
    # a branch or model with slashes, behind a proxy that decodes them
    Route("/status/{name}/{branch}/{provider}/{model}/{path}", pages.StatusPageHandler, {"GET": _DECODED}, suffix="_decoded"),
    Route("/assets/{asset}", pages.AssetHandler, {"GET": Operation("get_asset", "text/*", errors=(404,))}),
)


def rules(routes: tuple[Route, ...] = ROUTES) -> list[tuple[str, type[Any], dict[str, Any]]]:
    """Return what to register with Jupyter, every unknown path below the prefix last.

    A route gets, as its readings, itself and before it the routes of its handler that fit the same paths:
    ``name/provider/model/abort`` may be the variant ``name/provider`` of a model that is called *abort*.
    """
    registered: list[tuple[str, type[Any], dict[str, Any]]] = []
    for route in sorted(routes, key=_particular):
        longer = [other for other in routes if _takes(other, route)]
        registered.append((PREFIX + route.pattern, route.handler, {"readings": (*longer, route)}))
    return [*registered, (f"{PREFIX}(?:/.*)?", UnknownHandler, {})]


def _takes(other: Route, route: Route) -> bool:
    return other is not route and other.handler is route.handler and re.fullmatch(other.pattern, route.path) is not None


def _particular(route: Route) -> tuple[int, int]:
    """Order: paths with fewer parameters first, of those the longer."""
    return len(route.parameters), -route.path.count("/")
