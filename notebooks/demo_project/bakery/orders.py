"""Who wants what tomorrow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from bakery.recipes import Recipe


class UnknownBread(LookupError):
    """Somebody ordered what is not on the shelf."""


@dataclass(frozen=True)
class Order:
    """A customer's wish.

    Parameters
    ----------
    customer : str
        Who.
    bread : str
        The recipe's name.
    loaves : int
        How many.
    """

    customer: str
    bread: str
    loaves: int


def parse_order(text: str, customer: str = "counter") -> Order:
    """Read an order that is written as ``country loaf=24``.

    Raises
    ------
    ValueError
        There is no number after an equals sign.
    """
    bread, _, number = text.rpartition("=")
    if not bread or not number.strip().isdecimal():
        raise ValueError(f"{text!r} is no order; write it like 'country loaf=24'")
    return Order(customer, bread.strip(), int(number))


def gather(orders: Iterable[Order], shelf: dict[str, Recipe]) -> list[Recipe]:
    """Add up all orders, so that each bread is mixed once.

    Parameters
    ----------
    orders : iterable of Order
        Of all customers.
    shelf : dict
        What there is, as `bakery.recipes.shelf` returns it.

    Returns
    -------
    list of Recipe
        Scaled to what was ordered, in the order of the shelf.

    Raises
    ------
    UnknownBread
        With what there is instead.
    """
    wanted: Counter[str] = Counter()
    for order in orders:
        if order.bread not in shelf:
            raise UnknownBread(f"{order.customer} wants {order.bread!r}; there are {', '.join(shelf)}")
        wanted[order.bread] += order.loaves
    return [recipe.scaled_to(wanted[name]) for name, recipe in shelf.items() if wanted[name]]
