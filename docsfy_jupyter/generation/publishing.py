"""A site and the end of its run, two writes that no transaction spans: the end is kept beside the site before that is published.

A server that is killed between the two finds, at its next start, that the published site is of the very run whose row still
says ``generating``, and ends that run as the run itself would have.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docsfy_jupyter.generation.folders import PublishedEnd, VariantFolder
from docsfy_jupyter.models import Variant
from docsfy_jupyter.store.records import Ending

OLD_SITES = 60.0  # seconds that a reader may still be in the site before this one


def publish(folder: VariantFolder, site: Path, manifest: Mapping[str, Any], ending: Ending) -> None:
    """Publish what a run made; blocks.

    Parameters
    ----------
    folder : VariantFolder
        The variant's files.
    site : Path
        The new version.
    manifest : mapping
        What it was rendered from.
    ending : Ending
        What the run is going to write once the site is published.

    Raises
    ------
    OSError, ValueError
        Nothing was published.
    """
    folder.store_end(PublishedEnd(site.name, dict(manifest), ending))
    folder.sites.publish(site)


def published_end(folder: VariantFolder, row: Variant) -> PublishedEnd | None:
    """Return how the run of a row ended by its published site; None where that is not published, or of another run."""
    kept, site = folder.load_end(), folder.sites.current()
    if kept is None or site is None or (kept.site, kept.ending.row.generation_id) != (site.name, row.generation_id):
        return None
    return kept


def tidy(folder: VariantFolder, manifest: Mapping[str, Any], log: logging.Logger) -> None:
    """Keep what the published site was made from, and clear away what it does not need; blocks, never raises for a full disk."""
    try:
        folder.store_manifest(dict(manifest))
        folder.prune(dict(manifest["keys"]))
        folder.sites.remove_old(OLD_SITES)
    except OSError:  # what is left over is cleared away, and rendered again, by the next run
        log.exception("docsfy_jupyter: tidying up after a run in %s failed", folder.path)
