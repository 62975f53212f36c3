"""What runs may cost: each by its own limit, and all of a day together by the administrator's."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, time
from typing import Literal, Protocol
from weakref import WeakSet

from docsfy_jupyter.errors import BadRequest
from docsfy_jupyter.models import utc_now
from docsfy_jupyter.money import dollars
from docsfy_jupyter.providers.base import Provider

Outcome = Literal["answered", "cut off", "refused"]


class Ledger(Protocol):
    """Where the cost of calls is kept; the store."""

    async def spent_since(self, time: datetime) -> float:
        """Return the US dollars of all calls since a time, as far as they are known."""


class DailySpending:
    """What all runs of a UTC day have cost, as far as that is known, and what they may cost.

    The ledger is asked once, before the first run that may spend; from there on every call is added as it ends.

    Parameters
    ----------
    limit : float or None
        Trait ``DocsfyApp.max_cost_usd_per_day``, US dollars; None is no limit.
    """

    def __init__(self, limit: float | None) -> None:
        self.limit = limit
        self._day = utc_now().date()
        self._spent = 0.0
        self._known = limit is None
        self._asking = asyncio.Lock()
        self.budgets: WeakSet[Budget] = WeakSet()  # of runs that may spend

    @property
    def spent(self) -> float:
        """US dollars since midnight UTC."""
        today = utc_now().date()
        if today != self._day:
            self._day, self._spent = today, 0.0
        return self._spent

    def add(self, cost: float | None) -> None:
        """Add the cost of a call."""
        self._spent = self.spent + (cost or 0.0)

    @property
    def expected(self) -> float:
        """US dollars that the pages in work may cost, of all runs together."""
        return sum(budget.expected for budget in self.budgets)

    @property
    def used_up(self) -> bool:
        """Whether nothing more may be begun today."""
        return self.limit is not None and self.spent >= self.limit

    @property
    def sentence(self) -> str:
        """What was spent of what, and when it goes on."""
        spent, limit = _amount(self.spent), _amount(self.limit or 0.0)
        return f"{spent} spent today of {limit} (max_cost_usd_per_day; the day ends at midnight UTC)"

    async def check(self, ledger: Ledger) -> None:
        """Say whether a run that may spend can start.

        Raises
        ------
        BadRequest
            The day's limit is used up.
        """
        async with self._asking:
            if not self._known:
                midnight = datetime.combine(utc_now().date(), time(), UTC)
                self._spent = self.spent + await ledger.spent_since(midnight)
                self._known = True
        if self.used_up:
            raise BadRequest(f"No run that costs can start: {self.sentence}. Try again then, or have the limit raised.")


class Budget:
    """What a run has cost, as far as that is known, and what it may cost.

    A call that was cut off may have cost, and nobody tells how much. It counts for as much as the dearest call of the run, so
    that a limit is not overrun by what nobody saw; before any cost is known it stops a run that has a limit.

    Parameters
    ----------
    limit : float or None
        US dollars for this run; None is no limit.
    day : DailySpending, optional
        What all runs of a day may cost.

    Attributes
    ----------
    working : int
        Pages that are in work; who begins and ends them counts.
    """

    def __init__(self, limit: float | None, day: DailySpending | None = None) -> None:
        self.limit = limit
        self.spent = 0.0  # with what is assumed
        self.working = 0
        self._day = day or DailySpending(None)
        self._dearest = 0.0
        self._untold = ""  # what it was whose cost nobody knows
        self._assumed: list[float] = []
        self._day.budgets.add(self)

    def add(self, cost: float | None, outcome: Outcome = "answered") -> None:
        """Add the cost of a call.

        Parameters
        ----------
        cost : float or None
            US dollars; None where nobody told.
        outcome : {"answered", "cut off", "refused"}
            One that was answered always costs, and a limit cannot be kept by somebody who does not know how much; one that
            was cut off may have cost; one that was refused has not, unless its cost was told.
        """
        if cost is None and outcome == "cut off" and self._dearest:
            cost = self._dearest
            self._assumed.append(cost)
        elif cost is None and outcome != "refused":
            self._untold = self._untold or outcome
        cost = cost or 0.0
        self.spent += cost
        self._dearest = max(self._dearest, cost)
        self._day.add(cost)

    @property
    def _blind(self) -> bool:
        """Whether there is a limit, and a call that counts towards it by nobody knows how much."""
        return bool(self._untold) and (self.limit is not None or self._day.limit is not None)

    @property
    def used_up(self) -> bool:
        """Whether nothing more may be begun."""
        return self._day.used_up or self._blind or (self.limit is not None and self.spent >= self.limit)

    @property
    def expected(self) -> float:
        """US dollars that the pages in work may cost: each as much as the dearest call before."""
        return self.working * self._dearest

    @property
    def spares(self) -> bool:
        """Whether something would be left of every limit after the pages in work, of the day's after those of all runs."""
        day = self._day
        limits = ((self.limit, self.spent + self.expected), (day.limit, day.spent + day.expected))
        return all(cost < limit for limit, cost in limits if limit is not None)

    @property
    def _assumption(self) -> str:
        """Say what of the sum is no more than assumed; empty where all is known."""
        if not self._assumed:
            return ""
        calls = "a call that was" if len(self._assumed) == 1 else f"{len(self._assumed)} calls that were"
        return f" ({dollars(sum(self._assumed))} of it is assumed for {calls} cut off, each as the dearest one before)"

    def stopped(self, left: str) -> str:
        """Say why a run stopped, and how it goes on.

        Parameters
        ----------
        left : str
            What was not begun.
        """
        if self.limit is not None and self.spent >= self.limit:
            return (
                f"Stopped at the cost limit: {_amount(self.spent)} spent of {_amount(self.limit)}{self._assumption}, "
                f"{left} left. What is done is kept; generate again with a higher max_cost_usd for the rest."
            )
        if self._blind:
            limit = "max_cost_usd" if self.limit is not None else "max_cost_usd_per_day"
            if self._untold == "cut off":
                return (
                    f"Stopped, since {limit} cannot be kept: a call was cut off before any had told its cost; {left} left. "
                    "What is done is kept; generate again for the rest."
                )
            return (
                f"Stopped, since {limit} cannot be kept: a call was answered without the tokens that it took, or asked a model "
                f"whose price is not known, so nobody knows what it cost; {left} left. What is done is kept; generate again "
                "without the limit, or with a provider that tells its usage, for the rest."
            )
        return (
            f"Stopped at the day's cost limit: {self._day.sentence}{self._assumption}, {left} left. What is done is kept; "
            "generate again then, or with a higher limit, for the rest."
        )


def _amount(dollars_: float) -> str:
    return dollars(dollars_) if dollars_ else "$0.00"


def check_limits_can_be_kept(provider: Provider, model: str, run_limit: float | None, day_limit: float | None) -> None:
    """Refuse a run whose cost will not be known although it is limited.

    Raises
    ------
    BadRequest
        It says which limit, why, and what to do.
    """
    if provider.knows_cost(model):
        return
    limit = "max_cost_usd" if run_limit is not None else "max_cost_usd_per_day" if day_limit is not None else None
    if limit is None:
        return
    fault = provider.options.prices.fault
    why = f" ({fault})" if fault else ""
    what = "or leave the limit out" if run_limit is not None else "or have the limit of this server taken away"
    raise BadRequest(
        f"{limit} cannot be kept: what {provider.name}/{model} costs is not known{why}. Configure its price in the file that "
        f"c.DocsfyApp.prices_file names, {what}."
    )
