"""The command line: ``python -m bakery plan "rye=10"`` and ``python -m bakery prices``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from bakery import orders, pantry, pricing, recipes, schedule


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="bakery", description="Plans a small bakery's night.")
    commands = parser.add_subparsers(required=True)
    plan = commands.add_parser("plan", help="the night, and what has to be bought for it")
    plan.add_argument("orders", nargs="+", metavar="BREAD=LOAVES")
    plan.add_argument("--doors-open", default="07:00", metavar="HH:MM")
    plan.set_defaults(run=_plan)
    commands.add_parser("prices", help="the board behind the counter").set_defaults(run=_prices)
    chosen = parser.parse_args(arguments)
    return int(chosen.run(chosen))


def _plan(chosen: argparse.Namespace) -> int:
    wanted = orders.gather([orders.parse_order(text) for text in chosen.orders], recipes.shelf())
    for step in schedule.plan_night([(bread, bread.loaves) for bread in wanted], chosen.doors_open):
        print(step)
    for name, units in pantry.shopping_list(pantry.Pantry(), wanted).items():
        print(f"buy {units} × {name}")
    return 0


def _prices(_: argparse.Namespace) -> int:
    print(pricing.price_list(recipes.shelf()))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
