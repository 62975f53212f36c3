"""The night, planned backwards from the moment when the doors open."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from bakery.oven import Oven
from bakery.recipes import Recipe

MIXING = timedelta(minutes=25)
COOLING = timedelta(minutes=45)


@dataclass(frozen=True, order=True)
class Step:
    """One thing to do.

    Parameters
    ----------
    at : datetime
        When.
    what : str
        What, in words.
    """

    at: datetime
    what: str

    def __str__(self) -> str:
        return f"{self.at:%H:%M}  {self.what}"


def plan_night(breads: Iterable[tuple[Recipe, int]], doors_open: str = "07:00", oven: Oven | None = None) -> list[Step]:
    """Return everything that has to be done, in order.

    The oven is the bottleneck: breads bake one after another, and the last one is out early enough to cool.

    Parameters
    ----------
    breads : iterable of (Recipe, int)
        What to bake, and how many loaves. The first one comes out first.
    doors_open : str
        ``HH:MM``.
    oven : Oven, optional
        A common deck oven otherwise.

    Returns
    -------
    list of Step
        Sorted by time; steps of the evening before come first.
    """
    oven = oven or Oven()
    out = datetime.combine(date(2000, 1, 2), time.fromisoformat(doors_open)) - COOLING
    steps: list[Step] = []
    for recipe, loaves in reversed(list(breads)):
        batch = recipe.scaled_to(loaves)
        into = out - oven.busy(batch)
        mixing = into - batch.proofing - MIXING
        steps += [Step(into, f"bake {loaves} × {batch.name}"), Step(mixing, f"mix {batch.name}")]
        if batch.preferment:
            steps.append(Step(mixing - batch.preferment, f"set the starter for {batch.name}"))
        out = into - oven.reload
    return sorted(steps)


def wake_up(steps: list[Step]) -> time:
    """Return when somebody has to get up: half an hour before the first mixing.

    Raises
    ------
    ValueError
        Nothing is mixed.
    """
    return (min(step.at for step in steps if step.what.startswith("mix ")) - timedelta(minutes=30)).time()
