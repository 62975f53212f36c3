"""Images of the repository, copied beside the pages under names of our own."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

_FOLDER = "assets/images"
_KINDS = {".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".bmp", ".ico", ".svg"}
# An SVG opened by its own address is a document: what could act in one is refused, not mended.
_ACTIVE_SVG = re.compile(
    r"<\s*(?:\w+:)?(?:script|foreignobject|iframe|embed|object|set|animate|handler)|<!entity|<\?xml-stylesheet|\son\w+\s*=|javascript\s*:|&#",
    re.IGNORECASE,
)


def places(images: Mapping[str, Path]) -> dict[str, str]:
    """Return where the images that a site may show are on it.

    Parameters
    ----------
    images : mapping
        Path in the repository to the file.

    Returns
    -------
    dict
        Path in the repository to the place on the site.
    """
    found = {}
    for name, path in images.items():
        kind = Path(name).suffix.lower()
        if kind not in _KINDS or not path.is_file() or (kind == ".svg" and not _calm(path)):
            continue
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:10]
        stem = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(name).stem)[:60]
        found[name] = f"{_FOLDER}/{digest}-{stem}{kind}"
    return found


def place_images(images: Mapping[str, Path], site: Path) -> dict[str, str]:
    """Copy the images that a site may show; return what `places` does."""
    placed = places(images)
    if placed:
        (site / _FOLDER).mkdir(parents=True, exist_ok=True)
    for name, place in placed.items():
        shutil.copyfile(images[name], site / place)
    return placed


def _calm(path: Path) -> bool:
    """Whether an SVG is only a picture."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return False
    return _ACTIVE_SVG.search(text) is None
