"""What the bakery bakes: a formula with a weight and its times."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from bakery.dough import Formula

BAKING_LOSS = 0.12  # the share of a loaf's weight that leaves the oven as steam


@dataclass(frozen=True)
class Recipe:
    """A kind of bread, for a number of loaves.

    Parameters
    ----------
    name : str
        As customers say it.
    formula : Formula
        The dough.
    weight : float
        Grams of one baked loaf.
    proofing, baking : timedelta
        How long the dough rises, and how long it is in the oven.
    preferment : timedelta
        How long before mixing the starter is set; zero for doughs without one.
    loaves : int
        How many.
    """

    name: str
    formula: Formula
    weight: float
    proofing: timedelta
    baking: timedelta
    preferment: timedelta = timedelta(0)
    loaves: int = 1

    def scaled_to(self, loaves: int) -> Recipe:
        """Return the same bread for another number of loaves.

        Raises
        ------
        ValueError
            `loaves` is below 1.
        """
        if loaves < 1:
            raise ValueError(f"{loaves} loaves of {self.name} cannot be baked")
        return replace(self, loaves=loaves)

    def total(self) -> float:
        """Return the grams of dough, what evaporates included."""
        return self.loaves * self.weight / (1 - BAKING_LOSS)

    def ingredients(self) -> dict[str, float]:
        """Return the grams of each ingredient."""
        return self.formula.amounts(self.total())


def shelf() -> dict[str, Recipe]:
    """Return the breads of every day, by name."""
    breads = [
        Recipe(
            "country loaf",
            Formula({"wheat": 85, "rye": 15}, {"water": 70, "salt": 2, "starter": 20}),
            weight=1000,
            proofing=timedelta(hours=4),
            baking=timedelta(minutes=50),
            preferment=timedelta(hours=12),
        ),
        Recipe(
            "rye",
            Formula({"rye": 100}, {"water": 80, "salt": 2, "starter": 35}),
            weight=1500,
            proofing=timedelta(hours=2),
            baking=timedelta(minutes=75),
            preferment=timedelta(hours=16),
        ),
        Recipe(
            "baguette",
            Formula({"wheat": 100}, {"water": 68, "salt": 2, "yeast": 0.6}),
            weight=250,
            proofing=timedelta(hours=3),
            baking=timedelta(minutes=22),
        ),
        Recipe(
            "bun",
            Formula({"wheat": 100}, {"milk": 55, "butter": 10, "salt": 1.8, "yeast": 3}),
            weight=60,
            proofing=timedelta(minutes=75),
            baking=timedelta(minutes=16),
        ),
    ]
    return {bread.name: bread for bread in breads}
