"""The view of a variant, one ES module and one style sheet: the notebook's panel and the status page both draw with it."""

from __future__ import annotations

from importlib.resources import files

ASSETS = ("panel.js", "panel.css", "status.js", "status.css")


def read_asset(name: str) -> str:
    """Return the text of one of `ASSETS`.

    Raises
    ------
    KeyError
        There is no such asset.
    """
    if name not in ASSETS:
        raise KeyError(name)
    return (files(__package__) / name).read_text("utf-8")
