"""What is there, and what has to be bought."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bakery.recipes import Recipe

SACKS = {"wheat": 25_000.0, "rye": 25_000.0, "salt": 1_000.0, "butter": 250.0, "yeast": 42.0, "milk": 1_000.0}
FREE = frozenset({"water", "starter"})  # from the tap, and from yesterday


@dataclass
class Pantry:
    """The store room.

    Parameters
    ----------
    stock : mapping
        Grams of each ingredient.
    """

    stock: dict[str, float] = field(default_factory=dict)

    def missing(self, needed: Mapping[str, float]) -> dict[str, float]:
        """Return the grams that are not there."""
        return {name: grams - self.stock.get(name, 0.0) for name, grams in needed.items() if grams > self.stock.get(name, 0.0)}

    def take(self, needed: Mapping[str, float]) -> None:
        """Use up ingredients.

        Raises
        ------
        ValueError
            Something is missing; nothing was taken.
        """
        if missing := self.missing(needed):
            raise ValueError(f"not enough {', '.join(sorted(missing))}")
        for name, grams in needed.items():
            self.stock[name] -= grams


def needed(batches: Iterable[Recipe]) -> dict[str, float]:
    """Return the grams of everything that has to be paid for, over all batches."""
    total: dict[str, float] = {}
    for batch in batches:
        for name, grams in batch.ingredients().items():
            total[name] = total.get(name, 0.0) + grams
    return {name: grams for name, grams in total.items() if name not in FREE}


def shopping_list(pantry: Pantry, batches: Iterable[Recipe]) -> dict[str, int]:
    """Return how many sacks, packets or bottles of each ingredient to buy.

    Shops sell no grams: what is missing is rounded up to whole units of `SACKS`.
    """
    missing = pantry.missing(needed(batches))
    return {name: math.ceil(grams / SACKS.get(name, 1_000.0)) for name, grams in sorted(missing.items())}
