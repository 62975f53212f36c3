"""What a run would take, before anybody pays for it."""

from __future__ import annotations

from docsfy_jupyter.requests import GenerateRequest
from docsfy_jupyter.server.base import DocsfyHandler


class EstimateHandler(DocsfyHandler):
    """``api/estimate``."""

    async def estimate(self, body: GenerateRequest) -> None:
        """Estimate pages, calls, tokens, cost and time of what the same body would start; nothing is started or cloned."""
        store = await self.manager.ready()
        self.reply(await self.manager.estimator.of(store, body, self.caller))
