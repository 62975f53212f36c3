"""Documentation sites for your repositories, generated inside Jupyter."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_FROM = {
    "client.client": ("AsyncDocsfyClient", "DocsfyClient", "connect", "connect_async"),
    "client.verbs": ("Polled",),
    "widgets.dashboard": ("Dashboard",),
    "widgets.panel": ("StatusPanel",),
    "models": ("Plan", "Stage", "Status", "Variant", "VariantKey"),
    "errors": (
        "AbortPending", "AlreadyGenerating", "Ambiguous", "BadRequest", "ClientError", "Conflict", "DocsfyError",
        "ExtensionNotEnabled", "GenerationAborted", "GenerationFailed", "InvalidBody", "NameTaken", "NoSite", "NotFound",
        "NotGenerating", "ProviderUnavailable", "ServerNotFound", "ServerUnreachable", "SourceRefused", "StoreUnavailable",
        "TokenNotAccepted",
    ),
}  # fmt: skip
_PUBLIC = {name: module for module, names in _FROM.items() for name in names}
__all__ = ["__version__", *sorted(_PUBLIC)]


def __getattr__(name: str) -> Any:
    """Load a public name on first use, so that importing the package stays quick."""
    if name in _PUBLIC:
        return getattr(import_module(f"docsfy_jupyter.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module 'docsfy_jupyter' has no attribute {name!r}")


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Tell Jupyter Server where the extension is."""
    app = import_module("docsfy_jupyter.server.app").DocsfyApp
    return [{"module": "docsfy_jupyter", "app": app}]
