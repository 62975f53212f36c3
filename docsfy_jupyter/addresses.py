"""The one rule for what is the URL of a repository and what a path, as git has it; and whether a URL holds a secret."""

from __future__ import annotations

import re

# user@host:path or host:path; a slash before the colon makes it a path, and so does one letter before it (a drive of Windows)
SCP_LIKE = re.compile(
    r"^(?![A-Za-z]:)(?:(?P<user>[^/@:\s]+)@)?(?P<host>\[[^\]]+\]|[^/:@\s]+):(?P<path>[^\s].*)$"
)
_SECRET_QUERY = re.compile(r"[?&][^=&#]*(?:token|key|secret|passw|auth|sig)[^=&#]*=[^&#]", re.IGNORECASE)
_SCP_WITH_SECRET = re.compile(r"^[^/@:\s]+:[^/@\s]+@[\w.-]+\.\w+[/:]")  # https:// was forgotten: me:token@host.org/x


def is_url(text: str) -> bool:
    """Whether a text names a repository by a URL, ``https://host/path`` or ``git@host:path``; it is a path otherwise."""
    return "://" in text or SCP_LIKE.match(text) is not None


def holds_secret(url: str) -> bool:
    """Whether a URL has a password or token, before the @ or in its query.

    A user of https counts as one, ``git@host:path`` and ``ssh://git@host`` do not.
    """
    scheme, full, rest = url.partition("://")
    if not full:
        return _SCP_WITH_SECRET.match(url) is not None
    if _SECRET_QUERY.search(rest):
        return True
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    user, at, _ = authority.rpartition("@")
    if at:
        return bool(user) and (":" in user or scheme.lower() in ("http", "https"))
    return "@" in rest and re.search(r":(?!\d*$)[^\]]*$", authority) is not None  # a password with a slash in it
