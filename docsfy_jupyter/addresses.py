"""The one rule for what is the URL of a repository and what a path, as git has it."""

from __future__ import annotations

import re

# user@host:path or host:path; a slash before the colon makes it a path, and so does one letter before it (a drive of Windows)
SCP_LIKE = re.compile(
    r"^(?![A-Za-z]:)(?:(?P<user>[^/@:\s]+)@)?(?P<host>\[[^\]]+\]|[^/:@\s]+):(?P<path>[^\s].*)$"
)


def is_url(text: str) -> bool:
    """Whether a text names a repository by a URL, ``https://host/path`` or ``git@host:path``; it is a path otherwise."""
    return "://" in text or SCP_LIKE.match(text) is not None
