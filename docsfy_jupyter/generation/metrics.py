"""What runs come to, as Prometheus metrics of this process; Jupyter publishes them at ``/metrics``.

The labels are few: providers that the server knows, outcomes, stages. Never a repository, a branch or a person.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import cache

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from docsfy_jupyter.models import Stage, Status
from docsfy_jupyter.store.records import CallRecord, PageRecord

RUN_OUTCOMES = tuple(status.value for status in Status if status.terminal)
PAGE_OUTCOMES = ("fresh", "cached", "failed")
CALL_OUTCOMES = ("ok", "failed", "aborted")
_SECONDS = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600)


class Metrics:
    """The metrics themselves.

    Parameters
    ----------
    registry : CollectorRegistry
        Where they are published; it takes each name once.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        who, end = ["provider"], ["provider", "outcome"]
        self.runs = Counter("docsfy_runs", "Runs that ended.", end, registry=registry)
        self.pages = Counter("docsfy_pages", "Pages written, taken from the cache, or failed.", end, registry=registry)
        self.calls = Counter("docsfy_calls", "Calls of providers that ended, tries included.", end, registry=registry)
        self.cost = Counter("docsfy_cost_usd", "US dollars of calls, as far as they are known.", who, registry=registry)
        self.unpriced = Counter("docsfy_unpriced_calls", "Calls whose cost nobody knows.", who, registry=registry)
        self.working = Gauge("docsfy_runs_working", "Runs at work.", registry=registry)
        self.queued = Gauge("docsfy_runs_queued", "Runs that wait for a free slot.", registry=registry)
        self.seconds = Histogram(
            "docsfy_stage_seconds", "Seconds of stages that came to their end.", ["stage"], registry=registry, buckets=_SECONDS
        )

    def expect(self, providers: Iterable[str]) -> None:
        """Publish zeros for what has not happened yet: a rate needs a value before the first."""
        for provider in providers:
            for metric, outcomes in ((self.runs, RUN_OUTCOMES), (self.pages, PAGE_OUTCOMES), (self.calls, CALL_OUTCOMES)):
                for outcome in outcomes:
                    metric.labels(provider, outcome)
            self.cost.labels(provider)
            self.unpriced.labels(provider)


@cache
def process_metrics() -> Metrics:
    """Return the metrics of this process, which its servers share: Prometheus scrapes processes."""
    return Metrics(REGISTRY)


class RunMeter:
    """Counts one run.

    Parameters
    ----------
    metrics : Metrics
        What is counted up.
    provider : str
        A provider that the registry knows.
    """

    def __init__(self, metrics: Metrics, provider: str) -> None:
        self._metrics = metrics
        self._provider = provider
        self._stage: Stage | None = Stage.QUEUED
        self._since = time.monotonic()
        metrics.queued.inc()

    def enter(self, stage: Stage) -> None:
        """Count the stage that was, begin the next; being queued once more is none."""
        if self._stage is None or stage is self._stage:
            return
        self._observe(self._stage)
        self._gauge(self._stage).dec()
        self._gauge(stage).inc()
        self._stage = stage

    def page(self, record: PageRecord) -> None:
        """Count a page."""
        self._metrics.pages.labels(self._provider, record.outcome).inc()

    def call(self, record: CallRecord) -> None:
        """Count a call, and its cost where that is known."""
        self._metrics.calls.labels(self._provider, record.outcome).inc()
        if record.cost_usd is None:
            self._metrics.unpriced.labels(self._provider).inc()
        else:
            self._metrics.cost.labels(self._provider).inc(record.cost_usd)

    def end(self, outcome: Status | None = None) -> None:
        """Count the run, unless it never began; a second call does nothing."""
        if self._stage is None:
            return
        if outcome is Status.READY:
            self._observe(self._stage)
        if outcome is not None:
            self._metrics.runs.labels(self._provider, outcome.value).inc()
        self._gauge(self._stage).dec()
        self._stage = None

    def _observe(self, stage: Stage) -> None:
        now = time.monotonic()
        self._metrics.seconds.labels(stage.value).observe(now - self._since)
        self._since = now

    def _gauge(self, stage: Stage) -> Gauge:
        return self._metrics.queued if stage is Stage.QUEUED else self._metrics.working
