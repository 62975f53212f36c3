"""The navigation beside every page: written once for a site, marked for each page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment

# Up to here every group is open: more would push the current one out of sight.
_ALL_OPEN = 40


class Sidebar:
    """The groups of a site's pages.

    Parameters
    ----------
    templates : Environment
        Has ``group.html.j2``.
    groups : sequence of mappings
        Each with ``title`` and ``pages``; a page with ``slug``, ``title`` and whether it is ``ready``.
    """

    def __init__(self, templates: Environment, groups: Sequence[Mapping[str, Any]]) -> None:
        template = templates.get_template("group.html.j2")
        few = sum(len(group["pages"]) for group in groups) <= _ALL_OPEN
        self._groups = [template.render(group=group, opened=few or group is groups[0]) for group in groups]

    def beside(self, slug: str) -> str:
        """Return the HTML of the groups as a page shows them: its own group open, itself marked."""
        link = f'<a href="{slug}.html"'
        return "".join(_marked(group, link) if link in group else group for group in self._groups)


def _marked(group: str, link: str) -> str:
    return group.replace("<details>", "<details open>", 1).replace(link, f'{link} aria-current="page"', 1)
