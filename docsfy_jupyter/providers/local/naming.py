"""What modules are called in the navigation: short, and never two the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


def short_titles(names: Iterable[str]) -> dict[str, str]:
    """Return for each dotted name its shortest end that no other name has; a top-level name stays whole.

    Examples
    --------
    >>> short_titles(["shop.client.answers", "shop.server.answers", "shop.models"])
    {'shop.client.answers': 'client.answers', 'shop.server.answers': 'server.answers', 'shop.models': 'models'}
    """
    known = list(names)
    ends = Counter(end for name in known for end in _ends(name))
    return {name: next((end for end in _ends(name) if ends[end] == 1 and not end.startswith("_")), name) for name in known}


def group_titles(names: Iterable[str]) -> dict[str, str]:
    """Return for each module the group that it is shown in: its package, down to the second level.

    Modules straight below the only top-level package are the ``API reference``; several top-level packages have a group each.
    """
    known = list(names)
    packages = {name.rpartition(".")[0] for name in known}
    tops = {name.partition(".")[0] for name in known if "." in name or name in packages}
    found = {}
    for name in known:
        parts = name.split(".")
        deep = len(parts) > 2 or (len(parts) == 2 and name in packages)
        if deep:
            found[name] = ".".join(parts[:2])
        else:
            found[name] = parts[0] if len(tops) > 1 and parts[0] in tops else "API reference"
    return found


def _ends(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[-count:]) for count in range(1, len(parts) + 1)]
