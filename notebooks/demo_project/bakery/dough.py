"""Baker's percentages: every ingredient as a share of the flour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Formula:
    """A dough, whatever its size.

    Parameters
    ----------
    flours : mapping
        Percent of each kind of flour; together they are 100.
    others : mapping
        Percent of everything else, relative to the flour: 70 for 700 g of water to 1 kg of flour.

    Raises
    ------
    ValueError
        The flours are not 100 % together, or a share is negative.
    """

    flours: Mapping[str, float]
    others: Mapping[str, float]

    def __post_init__(self) -> None:
        if abs(sum(self.flours.values()) - 100) > 0.01:
            raise ValueError(f"the flours are {sum(self.flours.values()):g} % together, not 100 %")
        if min([*self.flours.values(), *self.others.values()]) < 0:
            raise ValueError("a share of the dough is negative")

    def hydration(self) -> float:
        """Return the percentage of water, the first thing a baker asks about a dough."""
        return self.others.get("water", 0.0)

    def amounts(self, dough: float) -> dict[str, float]:
        """Return what to weigh for so much dough.

        Parameters
        ----------
        dough : float
            Grams of finished dough.

        Returns
        -------
        dict
            Grams of each ingredient; their sum is `dough`.
        """
        shares = {**self.flours, **self.others}
        whole = sum(shares.values())
        return {name: dough * share / whole for name, share in shares.items()}


def water_temperature(wanted: float, flour: float, room: float, friction: float = 4.0) -> float:
    """Return how warm the water has to be for a dough of the wanted temperature.

    Bakers can only choose the water: flour and room are as they are, and the mixer warms the dough.

    Parameters
    ----------
    wanted, flour, room : float
        Temperatures in °C.
    friction : float
        What mixing adds, in °C.
    """
    return 3 * wanted - flour - room - friction
