"""Repositories that were renamed: their new address, as long as the host stays the same.

git itself follows redirects to anywhere or to nowhere. A public host could redirect to a private one, so git is told to
follow none; the address that one leads to is found here, judged, and given to git as its new one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from urllib.parse import urljoin, urlsplit

import httpx

_REFS = "/info/refs"
_MOST = 3
_LIMIT = 10.0


async def moved_to(url: str, addresses: Sequence[str]) -> str | None:
    """Return the address that a repository has moved to, None when it has not, or not within its host.

    Parameters
    ----------
    url : str
        http or https, without credentials: none is sent.
    addresses : sequence of str
        The addresses of its host that were found good; the first is asked. Without any the environment's proxy is.
    """
    now = url.rstrip("/")
    try:
        # made in a thread: reading the certificates would hold up the event loop for 50 ms
        made = partial(httpx.AsyncClient, follow_redirects=False, timeout=_LIMIT, trust_env=not addresses)
        async with await asyncio.to_thread(made) as client:
            for _ in range(_MOST):
                target = await _redirect(client, now, addresses)
                if target is None:
                    return now if now != url.rstrip("/") else None
                if not _same_host(target, url) or not urlsplit(target).path.endswith(_REFS):
                    return None
                now = urlsplit(target)._replace(path=urlsplit(target).path.removesuffix(_REFS), query="", fragment="").geturl()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return None
    return None


async def _redirect(client: httpx.AsyncClient, repository: str, addresses: Sequence[str]) -> str | None:
    """Ask as git would, and return where the answer leads."""
    asked = f"{repository}{_REFS}"
    parts = httpx.URL(asked, params={"service": "git-upload-pack"})
    headers = {"Host": parts.netloc.decode("ascii"), "User-Agent": "git/2 (docsfy_jupyter)"}
    extensions = {"sni_hostname": parts.host} if parts.scheme == "https" else {}
    place = parts.copy_with(host=addresses[0]) if addresses else parts
    async with client.stream("GET", place, headers=headers, extensions=extensions) as answer:
        location = answer.headers.get("Location") if answer.is_redirect else None
    return urljoin(asked, location) if location else None


def _same_host(a: str, b: str) -> bool:
    first, second = urlsplit(a), urlsplit(b)
    return (first.scheme, first.hostname, first.port) == (second.scheme, second.hostname, second.port) and not first.username
