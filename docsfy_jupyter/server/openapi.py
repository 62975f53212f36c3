"""The published description of the routes, OpenAPI 3.1, made from their table and from the models that validate requests."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from http.client import responses
from importlib import import_module
from typing import Any

from pydantic import BaseModel, TypeAdapter

from docsfy_jupyter import __version__
from docsfy_jupyter.models import ROW_ONLY
from docsfy_jupyter.requests import Segment
from docsfy_jupyter.server.base import DocsfyHandler
from docsfy_jupyter.server.route import PREFIX, Operation, Route

ROUTES_SETTING = "docsfy_routes"
COMMON_ERRORS = (400, 403, 503)  # a faulty request, nobody logged in, the store locked
_REF = "#/components/schemas/{model}"
_PARAMETERS: Mapping[str, str] = {
    "name": "Project name.",
    "branch": "Branch or tag.",
    "provider": "AI provider.",
    "model": "AI model.",
    "generation_id": "Id of a run, a UUID.",
    "batch_id": "Id of a batch.",
    "asset": "File name.",
    "path": "File of the site; may contain slashes.",
}


class OpenApiHandler(DocsfyHandler):
    """``GET api/openapi.json``."""

    async def get_description(self) -> None:
        """Describe every route, in OpenAPI 3.1."""
        self.reply_tagged(await asyncio.to_thread(document, self.settings[ROUTES_SETTING], self.base_url))


def document(routes: Iterable[Route], base_url: str) -> dict[str, Any]:
    """Return the description.

    Parameters
    ----------
    routes : iterable of Route
        The table.
    base_url : str
        Jupyter's, with a slash at its end.
    """
    routes = list(routes)
    schemas, definitions = _schemas(routes)
    paths: dict[str, Any] = {}
    for route in routes:
        paths[route.path] = {
            method.lower(): _operation(route, operation, schemas) for method, operation in route.operations.items()
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "docsfy_jupyter",
            "version": __version__,
            "description": "Documentation sites for repositories, generated inside a Jupyter server.",
        },
        "servers": [{"url": base_url.rstrip("/") + PREFIX}],
        "security": [{"token": []}, {"query": []}],
        "paths": paths,
        "components": {
            "schemas": definitions,
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "`token …` or `Bearer …`"},
                "query": {"type": "apiKey", "in": "query", "name": "token"},
            },
        },
    }


def _shape(name: str) -> Any:
    return getattr(import_module("docsfy_jupyter.server.answers"), name)


def _types(routes: Iterable[Route]) -> Iterator[tuple[Any, str]]:
    """Yield every type that the description needs, and pydantic's mode for it."""
    yield Segment, "validation"
    yield _shape("ErrorAnswer"), "serialization"
    for route in routes:
        if route.query is not None:
            yield route.query, "validation"
        for operation in route.operations.values():
            if "/" not in operation.answer:
                yield _shape(operation.answer), "serialization"
            for model in (operation.query, operation.body, operation.many):
                if model is not None:
                    yield model, "validation"


def _schemas(routes: Iterable[Route]) -> tuple[dict[Any, Any], dict[str, Any]]:
    wanted: list[Any] = []
    for pair in _types(routes):
        if pair not in wanted:
            wanted.append(pair)
    inputs = [(number, mode, TypeAdapter(kind)) for number, (kind, mode) in enumerate(wanted)]
    found, rest = TypeAdapter.json_schemas(inputs, ref_template=_REF)
    definitions = dict(rest.get("$defs", {}))
    _complete_rows(definitions)
    return {kind: found[(number, mode)] for number, (kind, mode) in enumerate(wanted)}, definitions


def _complete_rows(definitions: dict[str, Any]) -> None:
    """Say that a row has all its fields, always; the listing's lacks those of a single row."""
    for name in ("Variant", "Summary"):
        schema = definitions[name]
        if name == "Summary":
            schema["properties"] = {k: v for k, v in schema["properties"].items() if k not in ROW_ONLY}
        schema["required"] = list(schema["properties"])
        schema["additionalProperties"] = False


def _operation(route: Route, operation: Operation, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    about = getattr(route.handler, operation.verb).__doc__ or ""
    described: dict[str, Any] = {
        "operationId": operation.verb + route.suffix,
        "summary": about.splitlines()[0],
        "parameters": [*_path_parameters(route, schemas), *_query_parameters((route.query, operation.query), schemas)],
        "responses": _responses(route, operation, schemas),
    }
    if operation.body is not None:
        shapes = [schemas[shape] for shape in (operation.body, operation.many) if shape is not None]
        schema = shapes[0] if len(shapes) == 1 else {"oneOf": shapes}
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return described


def _path_parameters(route: Route, schemas: Mapping[Any, Any]) -> Iterator[dict[str, Any]]:
    for name in route.parameters:
        schema = {"type": "string"} if name == "path" else schemas[Segment]
        yield {"name": name, "in": "path", "required": True, "description": _PARAMETERS[name], "schema": schema}


def _query_parameters(models: Iterable[type[BaseModel] | None], schemas: Mapping[Any, Any]) -> Iterator[dict[str, Any]]:
    for model in models:
        for name, field in model.model_fields.items() if model is not None else ():
            schema = _plain(deepcopy(_resolved(model, schemas)["properties"][name]))
            described = {"name": name, "in": "query", "required": field.is_required(), "schema": schema}
            yield {**described, "description": field.description} if field.description else described


def _resolved(model: Any, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = schemas[model]
    return schema if "properties" in schema else TypeAdapter(model).json_schema(ref_template=_REF)


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a query's value: a parameter is there or not, it is never null."""
    rest = {key: value for key, value in schema.items() if key not in ("title", "description", "anyOf")}
    choices = [choice for choice in schema.get("anyOf", ()) if choice != {"type": "null"}]
    if rest.get("default", ...) is None:
        del rest["default"]
    return {**rest, **choices[0]} if choices else rest


def _responses(route: Route, operation: Operation, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    if "/" in operation.answer:
        content: dict[str, Any] = {operation.answer: {}}
    else:
        content = {"application/json": {"schema": schemas[_shape(operation.answer)]}}
    described: dict[str, Any] = {str(operation.status): {"description": responses[operation.status], "content": content}}
    if operation.tagged:
        described["304"] = {"description": "Unchanged since the tag that the caller has"}
    for status in sorted({*COMMON_ERRORS, *operation.errors}):
        error: dict[str, Any] = {"application/json": {"schema": schemas[_shape("ErrorAnswer")]}}
        if getattr(route.handler, "for_people", False):  # to who asks for HTML
            error["text/html"] = {}
        described[str(status)] = {"description": responses[status], "content": error}
    return described
