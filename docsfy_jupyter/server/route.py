"""A route: a path, the handler that answers it, and what each method means. Registered and published from one value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel
from tornado.web import RequestHandler

PREFIX = "/docsfy"
_PARAMETER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Operation:
    """What one method of a route does.

    Parameters
    ----------
    verb : str
        Name of the handler's coroutine.
    answer : str
        Name of the JSON answer's shape in the module ``answers``, which is loaded when somebody asks for the description;
        or a media type.
    query : type of BaseModel or None
        The query's parameters; the coroutine gets them validated.
    body : type of BaseModel or None
        The JSON body; the coroutine gets it validated, after the query.
    many : type of BaseModel or None
        What a JSON array is validated as, where the body may be one.
    status : int
        HTTP status of success.
    errors : tuple of int
        Statuses of failures beside those that every route has.
    tagged : bool
        The answer has an ETag, and is 304 for whom has it.
    """

    verb: str
    answer: str
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    many: type[BaseModel] | None = None
    status: int = 200
    errors: tuple[int, ...] = ()
    tagged: bool = False


@dataclass(frozen=True)
class Route:
    """A path below ``docsfy`` with its methods.

    Parameters
    ----------
    path : str
        As in OpenAPI: ``{name}`` is one segment, percent-encoded; ``{path}`` takes the rest.
    handler : type of RequestHandler
        Who answers.
    operations : mapping of str to Operation
        By HTTP method.
    query : type of BaseModel or None
        Parameters of the query that all its operations have.
    suffix : str
        Ends the operation ids, where several paths lead to one verb.
    """

    path: str
    handler: type[RequestHandler]
    operations: Mapping[str, Operation]
    query: type[BaseModel] | None = None
    suffix: str = ""

    @property
    def parameters(self) -> list[str]:
        """Names of the path's parameters."""
        return _PARAMETER.findall(self.path)

    @property
    def pattern(self) -> str:
        """The path as a regular expression without groups: segments are decoded by us, once, from the raw path."""
        return _PARAMETER.sub(lambda found: ".*" if found[1] == "path" else "[^/]+", self.path).removesuffix("/") + (
            "/?" if self.path.endswith("/") else ""
        )

    def segments(self, raw: str) -> dict[str, str] | None:
        """Return the path's parameters as they stand in a raw path, None when it is not of this route."""
        named = _PARAMETER.sub(lambda found: f"(?P<{found[1]}>{'.*' if found[1] == 'path' else '[^/]+'})", self.path)
        found = re.fullmatch(named, raw)
        return found.groupdict() if found else None
