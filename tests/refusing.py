"""An authoriser that refuses everything of ours but the question whether the server lives."""

from __future__ import annotations

from typing import Any

from jupyter_server.auth import Authorizer


class Refusing(Authorizer):
    """Refuses the resource ``docsfy``."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return resource != "docsfy" or handler.request.path.endswith("/health")
