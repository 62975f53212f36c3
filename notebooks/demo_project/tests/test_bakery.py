"""The package's own tests."""

from __future__ import annotations

from datetime import time
from decimal import Decimal

import pytest

from bakery import dough, orders, oven, pantry, pricing, recipes, schedule
from bakery.__main__ import main


def test_the_ingredients_weigh_what_the_dough_weighs() -> None:
    formula = dough.Formula({"wheat": 100}, {"water": 70, "salt": 2})
    amounts = formula.amounts(1720)
    assert amounts == pytest.approx({"wheat": 1000, "water": 700, "salt": 20})
    assert formula.hydration() == 70


def test_flours_that_are_not_whole_are_refused() -> None:
    with pytest.raises(ValueError, match="90 %"):
        dough.Formula({"wheat": 90}, {"water": 70})


def test_cold_flour_wants_warm_water() -> None:
    assert dough.water_temperature(wanted=26, flour=18, room=20) == 36


def test_orders_of_one_bread_are_mixed_together() -> None:
    shelf = recipes.shelf()
    (rye,) = orders.gather([orders.Order("Ada", "rye", 2), orders.parse_order("rye=3")], shelf)
    assert rye.loaves == 5
    with pytest.raises(orders.UnknownBread, match="Ada wants 'cake'"):
        orders.gather([orders.Order("Ada", "cake", 1)], shelf)


def test_more_loaves_than_fit_need_a_second_load() -> None:
    country = recipes.shelf()["country loaf"]
    room = oven.Oven().capacity(country)
    assert oven.Oven().loads(country.scaled_to(room)) == 1
    assert oven.Oven().loads(country.scaled_to(room + 1)) == 2


def test_the_night_ends_before_the_doors_open() -> None:
    shelf = recipes.shelf()
    steps = schedule.plan_night([(shelf["rye"], 10), (shelf["bun"], 60)], doors_open="07:00")
    assert [step.what for step in steps] == ["set the starter for rye", "mix rye", "mix bun", "bake 10 × rye", "bake 60 × bun"]
    assert max(step.at for step in steps).time() < time(7)
    assert schedule.wake_up(steps) < time(3)


def test_what_is_missing_is_bought_in_whole_sacks() -> None:
    rye = recipes.shelf()["rye"].scaled_to(40)
    assert pantry.shopping_list(pantry.Pantry({"salt": 5_000}), [rye]) == {"rye": 2}


def test_a_loaf_is_sold_for_more_than_it_costs() -> None:
    for bread in recipes.shelf().values():
        assert Decimal(0) < pricing.cost(bread) < pricing.price(bread)


def test_the_command_plans_a_night(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "country loaf=24"]) == 0
    said = capsys.readouterr().out
    assert "bake 24 × country loaf" in said
    assert "buy 1 × wheat" in said
