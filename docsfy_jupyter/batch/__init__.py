"""Many variants brought up to date as one: parameters, result, summary, chart, and what the notebook shows of them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docsfy_jupyter.batch.notebook import Batch
    from docsfy_jupyter.batch.papermill import packaged_notebook
    from docsfy_jupyter.batch.parameters import BatchParameters, read_parameters
    from docsfy_jupyter.batch.result import RESULT_TYPE, BatchResult

__all__ = ["RESULT_TYPE", "Batch", "BatchParameters", "BatchResult", "packaged_notebook", "read_parameters"]
_LAZY = {
    "Batch": "notebook",
    "BatchParameters": "parameters",
    "read_parameters": "parameters",
    "RESULT_TYPE": "result",
    "BatchResult": "result",
    "packaged_notebook": "papermill",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use: the command line needs no widgets."""
    if name in _LAZY:
        return getattr(import_module(f"docsfy_jupyter.batch.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'docsfy_jupyter.batch' has no attribute {name!r}")
