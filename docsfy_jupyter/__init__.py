"""Documentation sites for your repositories, generated inside Jupyter."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from docsfy_jupyter.errors import (
    AbortPending,
    AlreadyGenerating,
    Ambiguous,
    BadRequest,
    ClientError,
    Conflict,
    DocsfyError,
    ExtensionNotEnabled,
    GenerationAborted,
    GenerationFailed,
    InvalidBody,
    NameTaken,
    NoSite,
    NotFound,
    NotGenerating,
    NotPermitted,
    ProviderUnavailable,
    ServerNotFound,
    ServerUnreachable,
    SourceRefused,
    StoreUnavailable,
    TokenNotAccepted,
)

if TYPE_CHECKING:  # what is loaded on first use, for type checkers and editors
    from docsfy_jupyter.client.client import AsyncDocsfyClient, DocsfyClient, connect, connect_async
    from docsfy_jupyter.client.history import history
    from docsfy_jupyter.client.waiting import Polled
    from docsfy_jupyter.models import Plan, Stage, Status, Variant, VariantKey
    from docsfy_jupyter.widgets.dashboard import Dashboard
    from docsfy_jupyter.widgets.panel import StatusPanel

__version__ = "0.1.0"

__all__ = [
    "AbortPending",
    "AlreadyGenerating",
    "Ambiguous",
    "AsyncDocsfyClient",
    "BadRequest",
    "ClientError",
    "Conflict",
    "Dashboard",
    "DocsfyClient",
    "DocsfyError",
    "ExtensionNotEnabled",
    "GenerationAborted",
    "GenerationFailed",
    "InvalidBody",
    "NameTaken",
    "NoSite",
    "NotFound",
    "NotGenerating",
    "NotPermitted",
    "Plan",
    "Polled",
    "ProviderUnavailable",
    "ServerNotFound",
    "ServerUnreachable",
    "SourceRefused",
    "Stage",
    "Status",
    "StatusPanel",
    "StoreUnavailable",
    "TokenNotAccepted",
    "Variant",
    "VariantKey",
    "__version__",
    "connect",
    "connect_async",
    "history",
]
_LAZY = {
    "AsyncDocsfyClient": "client.client",
    "DocsfyClient": "client.client",
    "connect": "client.client",
    "connect_async": "client.client",
    "history": "client.history",
    "Polled": "client.waiting",
    "Plan": "models",
    "Stage": "models",
    "Status": "models",
    "Variant": "models",
    "VariantKey": "models",
    "Dashboard": "widgets.dashboard",
    "StatusPanel": "widgets.panel",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use, so that importing the package stays quick."""
    if name in _LAZY:
        return getattr(import_module(f"docsfy_jupyter.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'docsfy_jupyter' has no attribute {name!r}")


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Tell Jupyter Server where the extension is."""
    app = import_module("docsfy_jupyter.server.app").DocsfyApp
    return [{"module": "docsfy_jupyter", "app": app}]
