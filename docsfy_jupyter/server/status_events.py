"""Changes of status as events of the Jupyter server: into its event log, and to who listens at ``api/events/subscribe``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from jupyter_events import EventLogger

from docsfy_jupyter.models import Variant

SCHEMA_ID = "https://schema.jupyter.org/docsfy_jupyter/status/v1"
_SCHEMA = Path(__file__).parent / "event_schemas" / "status" / "v1.yaml"
_FIELDS = (
    "name",
    "branch",
    "ai_provider",
    "ai_model",
    "owner",
    "status",
    "generation_id",
    "started_by",
    "repo_url",
    "current_stage",
    "page_count",
    "failed_stage",
    "error_message",
    "last_commit_sha",
    "run_cost_usd",
)


class StatusEvents:
    """Emits an event for every run that begins or ends.

    Parameters
    ----------
    logger : EventLogger
        The server's; the schema is registered with it.
    log : logging.Logger
        Told where an event cannot be emitted.
    """

    def __init__(self, logger: EventLogger, log: logging.Logger) -> None:
        self._logger = logger
        self._log = log
        logger.register_event_schema(_SCHEMA)

    def emit(self, row: Variant) -> None:
        """Emit the status of a row. Never raises: no run may fail over who listens to it."""
        try:
            self._logger.emit(schema_id=SCHEMA_ID, data=event(row))
        except Exception:  # noqa: BLE001  its handlers and listeners are others' code
            self._log.exception("docsfy_jupyter: the event of %s, %s, could not be emitted", row.key.address, row.status.value)


def event(row: Variant) -> dict[str, Any]:
    """Return what an event says of a row."""
    whole = row.to_json(slim=True)
    return {name: whole[name] for name in _FIELDS}
