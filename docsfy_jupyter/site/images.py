"""Images of the repository, copied beside the pages under names of our own."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

_KINDS = {".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".bmp", ".ico", ".svg"}
# An SVG opened by its own address is a document: what could act in one is refused, not mended.
_ACTIVE_SVG = re.compile(
    r"<\s*(?:\w+:)?(?:script|foreignobject|iframe|embed|object|set|animate|handler)|<!entity|<\?xml-stylesheet|\son\w+\s*=|javascript\s*:|&#",
    re.IGNORECASE,
)


def place_images(images: Mapping[str, Path], folder: Path) -> dict[str, str]:
    """Copy the images that a site may show.

    Parameters
    ----------
    images : mapping
        Path in the repository to the file.
    folder : Path
        ``assets/images`` of the site.

    Returns
    -------
    dict
        Path in the repository to the place on the site.
    """
    placed = {}
    for name, path in images.items():
        kind = Path(name).suffix.lower()
        if kind not in _KINDS or not path.is_file() or (kind == ".svg" and not _calm(path)):
            continue
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:10]
        stem = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(name).stem)[:60]
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"{digest}-{stem}{kind}"
        shutil.copyfile(path, target)
        placed[name] = f"assets/images/{target.name}"
    return placed


def _calm(path: Path) -> bool:
    """Whether an SVG is only a picture."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return False
    return _ACTIVE_SVG.search(text) is None
