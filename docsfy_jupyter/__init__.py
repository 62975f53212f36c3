"""Documentation sites for your repositories, generated inside Jupyter."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "DocsfyClient": "client.client",
    "Plan": "models",
    "Stage": "models",
    "Status": "models",
    "Variant": "models",
    "VariantKey": "models",
    "connect": "client.client",
}
__all__ = ["DocsfyClient", "Plan", "Stage", "Status", "Variant", "VariantKey", "__version__", "connect"]


def __getattr__(name: str) -> Any:
    """Load a public name on first use, so that importing the package stays quick."""
    if name in _PUBLIC:
        return getattr(import_module(f"docsfy_jupyter.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module 'docsfy_jupyter' has no attribute {name!r}")


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Tell Jupyter Server where the extension is."""
    app = import_module("docsfy_jupyter.server.app").DocsfyApp
    return [{"module": "docsfy_jupyter", "app": app}]
