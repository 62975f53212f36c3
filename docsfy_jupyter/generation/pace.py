"""When a run's pages should be done: by what pages of this provider and model took before, soon by the run itself."""

from __future__ import annotations

from datetime import datetime, timedelta

_OWN = 3  # finished pages after which a run's own pace says more than history


class Pace:
    """Estimates the end of the page stage.

    Parameters
    ----------
    seconds : float or None
        Median seconds that a page took before; None without any history, and then no number is made up.
    lanes : int
        Pages that are written at once.
    """

    def __init__(self, seconds: float | None, lanes: int) -> None:
        self._seconds = seconds
        self._lanes = lanes
        self._began: datetime | None = None

    def begin(self, now: datetime) -> None:
        """Note that the page stage begins."""
        self._began = now

    def end(self, left: int, done: int, now: datetime) -> datetime | None:
        """Return when the last page should be done.

        Parameters
        ----------
        left, done : int
            Pages that are still to be written, and that this run has written.
        now : datetime
            Aware.
        """
        if left <= 0 or self._began is None:
            return None
        if done >= max(_OWN, self._lanes):
            return now + (now - self._began) * (left / done)
        if self._seconds is None:
            return None
        # the last pages do not fill every lane, hence the rounding up
        from_now = now + timedelta(seconds=self._seconds * -(-left // self._lanes))
        # counted from now, pages in work would begin only now; counted from the beginning, a slow start would not show
        from_begin = self._began + timedelta(seconds=self._seconds * -(-(left + done) // self._lanes))
        return from_now - max(from_now - max(from_begin, now), timedelta()) / 2
