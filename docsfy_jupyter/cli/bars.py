"""How a batch is followed: two bars on a terminal, a line for each variant that ends elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from tqdm import tqdm

from docsfy_jupyter.batch.result import VariantResult
from docsfy_jupyter.batch.summary import word
from docsfy_jupyter.cli.output import coloured, plain


class BatchBars:
    """Shows what the kernel tells.

    Parameters
    ----------
    quiet : bool
        Show nothing.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._said: set[int] = set()
        wanted = not quiet and sys.stderr.isatty()
        self._bars: list[Any] = [
            tqdm(
                total=1,
                desc=name,
                dynamic_ncols=True,
                position=place,
                bar_format="{desc} |{bar}| {n_fmt} / {total_fmt}",
                leave=False,
            )
            for place, name in enumerate(("Variants", "Pages   "))
            if wanted
        ]

    def show(self, told: Mapping[str, Any]) -> None:
        """Show a progress."""
        variants = [VariantResult(**one) for one in told["variants"]]
        over = [number for number, one in enumerate(variants) if one.outcome != "generating"]
        for number in over:
            self._say(number, variants[number], len(variants))
        counts = (
            (len(over), len(variants)),
            (sum(one.pages_done for one in variants), sum(one.pages_total for one in variants)),
        )
        for bar, (done, total) in zip(self._bars, counts, strict=False):
            bar.total, bar.n = max(total, 1), done
            bar.refresh()

    def close(self) -> None:
        """Leave the terminal tidy."""
        for bar in self._bars:
            bar.close()

    def _say(self, number: int, variant: VariantResult, total: int) -> None:
        if self._quiet or number in self._said:
            return
        self._said.add(number)
        sign = coloured("✓", "done", sys.stderr) if variant.good else coloured("✗", "error", sys.stderr)
        why = f" · {variant.reason}" if variant.reason else ""
        line = f"{sign} [{len(self._said)}/{total}] {plain(f'{variant.address} · {word(variant.outcome)}{why}')}"
        if self._bars:
            self._bars[0].write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)
