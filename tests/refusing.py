"""Authorisers: one that refuses everything of ours but the question whether the server lives, one that lets people read."""

from __future__ import annotations

from typing import Any

from jupyter_server.auth import Authorizer


class Refusing(Authorizer):
    """Refuses the resource ``docsfy``."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return resource != "docsfy" or handler.request.path.endswith("/health")


class ReadingOnly(Authorizer):
    """Lets all read, and only who bears the operator's header change; asynchronous, as one that asks elsewhere is."""

    async def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return resource != "docsfy" or action == "read" or "X-Operator" in handler.request.headers
