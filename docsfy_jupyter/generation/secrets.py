"""What a child, or a server, was given to keep to itself is taken out of what it says: its words reach rows, logs and pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

_NAMES = re.compile(r"KEY|TOKEN|SECRET|(?<!ASK)PASS|CREDENTIAL|AUTH", re.IGNORECASE)  # of variables
_NO_SECRET = re.compile(r"GIT_CONFIG_KEY_\d+\Z")  # the name of a setting of git's
# Characters. What is shorter is seldom a key, and often a word: `EMPTY` and `ollama` for servers that want any, `oauth2` and
# `HS256` in variables about keys. Masked, even as whole words only, it would be gone from every page that speaks of it.
_SHORTEST = 8
_MASK = b"***"


def secrets_of(env: Mapping[str, str], names: re.Pattern[str] = _NAMES) -> list[bytes]:
    """Return what nobody else may see of an environment, or of headers: keys, tokens, passwords of proxies; the longest first."""
    found = [value for name, value in env.items() if names.search(name) and not _NO_SECRET.match(name)]
    found += [_password(value) for name, value in env.items() if name.lower().endswith("_proxy")]
    return sorted({value.encode("utf-8", "replace") for value in found if len(value) >= _SHORTEST}, key=len, reverse=True)


def masked(output: bytes, secrets: list[bytes]) -> bytes:
    """Return an output with three asterisks in the place of every secret."""
    for secret in secrets:
        output = output.replace(secret, _MASK)
    return output


def _password(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""
