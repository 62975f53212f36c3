"""Pure: the text of a batch file, read so that nothing of it is lost unsaid.

YAML keeps the last of two equal keys without a word, and of a branch ``1.10`` only the number 1.1: the first is refused here, and
the second can be told as it was written.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import yaml

from docsfy_jupyter.batch.parameters import BatchFile, read_file
from docsfy_jupyter.errors import BatchFileWrong, InvalidBody

_MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: dict[Any, yaml.Node] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE and seen.setdefault(key.value, key) is not key:
                first = seen[key.value].start_mark.line + 1
                raise yaml.constructor.ConstructorError(
                    problem=f"{key.value} is there already, in line {first}: write it once", problem_mark=key.start_mark
                )
        return super().construct_mapping(node, deep)


def parse(text: str, called: str) -> BatchFile:
    """Read and validate a batch file's text.

    Parameters
    ----------
    text : str
        YAML.
    called : str
        How the file is called in messages.

    Raises
    ------
    BatchFileWrong
        It is not YAML, or no batch; with every fault, and how to write it right.
    """
    try:
        data = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        told = "; ".join(filter(None, (error.problem or error.context, error.note)))
        raise BatchFileWrong(f"{called} is not YAML{place}: {told}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # a date such as 2026-13-01 is a ValueError
        raise BatchFileWrong(f"{called} is not YAML: {' '.join(str(error).split())}") from None
    try:
        return read_file(data, lambda place: _written(root, place))
    except InvalidBody as error:
        each = [InvalidBody.of([fault]).message for fault in error.details["faults"]]
        faults = "".join(f"\n{fault}" for fault in each) if len(each) > 1 else f" {each[0]}"
        raise BatchFileWrong(f"{called} is no batch:{faults}", **error.details) from None


def _written(node: yaml.Node | None, place: Sequence[Any]) -> str | None:
    """Return the scalar at a place of the file as it was written; None where it came there by another way."""
    for part in place:
        if isinstance(node, yaml.MappingNode):
            node = next((value for key, value in node.value if key.value == part), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
        else:
            return None
    return str(node.value) if isinstance(node, yaml.ScalarNode) else None
