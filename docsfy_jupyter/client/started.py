"""What `generate` returns: a row that a notebook cell shows as its panel."""

from __future__ import annotations

from typing import Any

import docsfy_jupyter
from docsfy_jupyter.models import Variant


class Started(Variant):
    """The row of a run that was just started; a cell that ends with it shows the live `StatusPanel`."""

    client: Any = None  # the one that started it, where the panel can use it

    def started_by_client(self, client: Any) -> None:
        """Note the client, so that the panel asks the same server."""
        object.__setattr__(self, "client", client)

    def _ipython_display_(self) -> None:
        # by the package's lazy name: whoever only generates needs no widgets installed
        docsfy_jupyter.StatusPanel.of(self, client=self.client)._ipython_display_()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Variant) and self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]  # as for every row: it holds mappings
