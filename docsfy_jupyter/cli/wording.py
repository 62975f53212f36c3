"""Pure: the words of a command line for what messages of the server and the client name in their own."""

from __future__ import annotations

import re
from typing import Any

from docsfy_jupyter.errors import BatchFileWrong, DocsfyError

_FLAGS = {
    "max_cost_usd": "--max-cost-usd",
    "repo": "REPO",
    **{name: f"--{name}" for name in ("name", "provider", "model", "branch")},
}
# what messages call these things → what a person types here; the first that fits a place decides
_WORDS = (
    (r"client\.list\(\), (`jupyter docsfy list`) and GET api/projects name all", r"\1 names all"),
    (r"\bmax_cost_usd\b", "--max-cost-usd"),
    (r"\boverwrite=True\b", "--force-output"),
    (r"connect\(url='([^']*)', token='…'\)", r"--url \1 --token …"),
    (r"connect\(url(?:=…)?, token='…'\)", "--token …"),
    (r"\bverify='([^']*)'", r"--verify \1"),
    (r"\b(name|model|provider|branch)=…", r"--\1"),
)


def in_flags(error: DocsfyError) -> str:
    """Return the message of an error with flags and the names of arguments in place of fields."""
    if isinstance(error, BatchFileWrong):
        return error.message  # of a file's names, which are no flags
    faults: list[dict[str, Any]] = error.details.get("faults") or []
    text = error.message
    for fault in faults:
        text = text.replace(f"{fault['path']}: ", f"{_FLAGS.get(fault['path'], fault['path'])}: ", 1) if fault["path"] else text
    for pattern, words in _WORDS:
        text = re.sub(pattern, words, text)
    return text
