"""Moments: one fault under one run, at one stage or after one delay, on a server that has lived through those before.

``--moments 200 --seed 7`` has 200 of them; the same numbers are the same moments.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

import pytest
from field import Field, clock_library
from moments import FAULTS, HOLDING, Fault, jump_clock

pytestmark = pytest.mark.timeout(240)


def planned(number: int, seed: int) -> tuple[Fault, random.Random]:
    """Return the fault of a moment and its dice: every fault once, in some order, and then once again."""
    faults = [fault for fault in FAULTS if fault is not jump_clock or clock_library() is not None]
    turn, place = divmod(number, len(faults))
    random.Random(f"{seed} {turn}").shuffle(faults)
    return faults[place], random.Random(f"{seed} {number}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    seed, count = metafunc.config.getoption("seed"), metafunc.config.getoption("moments")
    names = [f"{number}-{planned(number, seed)[0].__name__}-seed-{seed}" for number in range(count)]
    metafunc.parametrize("number", range(count), ids=names)


@pytest.fixture(autouse=True)
def _calm(field: Field) -> Iterator[None]:
    """Leave nothing of a moment that failed to the next one."""
    yield
    field.release()
    for row in field.server.call("GET", "api/projects?status=generating").json()["projects"]:
        field.abort(row)


def test_after_a_fault_all_is_as_it_was_told_and_the_next_run_makes_what_is_missing(
    field: Field, number: int, request: pytest.FixtureRequest
) -> None:
    seed = request.config.getoption("seed")
    print(f"repeat with --moments {number + 1} --seed {seed}")
    fault, dice = planned(number, seed)
    provider = dice.choice(FAULTS[fault])
    change = dice.choice(["commit", "commit", "force", "force" if fault in HOLDING else "nothing"])  # what is up to date does not last
    turn = dice.choice(["plan", "page_3"]) if provider in ("claude", "gemini", "cursor") else "page_3"
    if change == "commit":
        field.commit(f"Moment {number} of {seed}.")
    field.calls()
    if fault in HOLDING or dice.random() < 0.6:
        field.hold(turn)
    row = field.begin(provider, force=change == "force")
    reached = dice.choice(["cloning", "planning", "generating_pages"])
    field.reach(row, "planning" if turn == "plan" and reached == "generating_pages" else reached)
    time.sleep(dice.uniform(0, 0.3))
    fault(field, dice, row)
    field.release()
    field.check()
    field.calls()
    missing = field.missing(row)
    resumed = field.until(field.begin(provider), lambda now: False)
    assert resumed["status"] == "ready", resumed
    field.expect_calls(provider, missing)
    field.check()
