"""What a loaf costs to make, and what it is sold for."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from bakery.pantry import FREE
from bakery.recipes import Recipe

PRICE_PER_KILO = {"wheat": "0.90", "rye": "0.80", "salt": "0.60", "butter": "9.50", "yeast": "6.00", "milk": "1.20"}
OVEN_PER_HOUR = Decimal("4.50")


def cost(recipe: Recipe) -> Decimal:
    """Return what one loaf costs to make: ingredients, and its share of an hour of the oven.

    Raises
    ------
    KeyError
        An ingredient has no price.
    """
    grams = recipe.scaled_to(1).ingredients()
    goods = sum(
        (Decimal(PRICE_PER_KILO[name]) * Decimal(weight) / 1000 for name, weight in grams.items() if name not in FREE),
        Decimal(0),
    )
    heat = OVEN_PER_HOUR * Decimal(recipe.baking.total_seconds()) / 3600 / 20
    return _cents(goods + heat)


def price(recipe: Recipe, margin: str = "0.65") -> Decimal:
    """Return the price at the counter, rounded to what people have in their pockets.

    Parameters
    ----------
    recipe : Recipe
        The bread.
    margin : str
        The share of the price that is not cost; ``"0.65"`` makes a loaf of 1.00 cost 2.90.

    Raises
    ------
    ValueError
        `margin` is not between 0 and 1.
    """
    share = Decimal(margin)
    if not 0 <= share < 1:
        raise ValueError(f"a margin of {margin} is no share of a price")
    return (cost(recipe) / (1 - share) * 10).quantize(Decimal(1), ROUND_HALF_UP) / 10


def price_list(shelf: dict[str, Recipe]) -> str:
    """Return the board behind the counter, one bread a line."""
    return "\n".join(f"{name:<16}{price(recipe):>6.2f}" for name, recipe in sorted(shelf.items()))


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)
