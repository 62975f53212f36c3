"""What fits into the oven, and how long it is busy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

from bakery.recipes import Recipe


@dataclass(frozen=True)
class Oven:
    """A deck oven.

    Parameters
    ----------
    decks : int
        Floors, each heated by itself.
    deck_area : float
        Square centimetres of one deck.
    reload : timedelta
        Between two loads: unloading, steam, and coming back to temperature.
    """

    decks: int = 2
    deck_area: float = 12_000
    reload: timedelta = timedelta(minutes=10)

    def capacity(self, recipe: Recipe) -> int:
        """Return how many loaves fit in at once; at least one."""
        return max(1, int(self.deck_area // footprint(recipe.weight))) * self.decks

    def loads(self, recipe: Recipe) -> int:
        """Return how often the oven has to be filled for all loaves."""
        return math.ceil(recipe.loaves / self.capacity(recipe))

    def busy(self, recipe: Recipe) -> timedelta:
        """Return the time from the first loaf in to the last one out."""
        loads = self.loads(recipe)
        return loads * recipe.baking + (loads - 1) * self.reload


def footprint(weight: float) -> float:
    """Return the square centimetres that a loaf needs, with the gap to its neighbour.

    Parameters
    ----------
    weight : float
        Grams. A loaf grows in three directions, hence the power of two thirds; 1 kg needs about 700 cm².
    """
    return 7.0 * math.pow(weight, 2 / 3)
