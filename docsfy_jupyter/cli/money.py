"""What a run would take, on a terminal, and the question before one that pays for everything again."""

from __future__ import annotations

import argparse
from typing import Any

from docsfy_jupyter.cli.output import plain, print_json
from docsfy_jupyter.cli.questions import agree
from docsfy_jupyter.client.client import DocsfyClient
from docsfy_jupyter.money import dollars, figures, force_question

NOTHING_STARTED = "Nothing was started"
_REQUEST = ("provider", "model", "branch", "name", "force")


def estimate(client: DocsfyClient, options: argparse.Namespace) -> int:
    """Show what a run would take; nothing is started."""
    found = _asked(client, options)
    if options.json:
        print_json(found)
        return 0
    if found["unavailable"]:
        print(plain(f"A run would not start now: {found['unavailable']}"))
    branch = found["branch"] or "the default branch"
    print(plain(f"{found['name']} · {found['ai_provider']}/{found['ai_model']} · {branch}"))
    for name, text in figures(found).items():
        print(plain(f"  {name.capitalize():<7} {text}"))
    if found["page_cost_usd"]:
        print(plain(f"  A page  {dollars(found['page_cost_usd'])}"))
    if found["last_cost_usd"] is not None:
        price = dollars(found["last_cost_usd"]) if found["last_cost_usd"] else "free"
        print(plain(f"  Last    {price}, {found['last_pages']} page{'' if found['last_pages'] == 1 else 's'}"))
    print(plain(found["note"]))
    if found["cost_usd"] is None and found["page_cost_usd"] is None and not found["free"]:
        address = f"{found['ai_provider']}/{found['ai_model']}"
        print(plain(f"No price of {address} is known yet: its first run may tell one, or a file (c.DocsfyApp.prices_file)."))
    return 0


def agree_to_pay(client: DocsfyClient, options: argparse.Namespace) -> None:
    """Ask before a run that forgets its pages, where writing them again costs or may cost.

    Raises
    ------
    BadRequest
        The answer was no, or nobody can be asked here.
    """
    if not options.force or options.yes:
        return
    found = _asked(client, options)
    if found["free"] or found["unavailable"]:  # what cannot start costs nothing, and the start says why
        return
    agree(force_question(found), NOTHING_STARTED)


def _asked(client: DocsfyClient, options: argparse.Namespace) -> dict[str, Any]:
    return client.estimate(options.repo, **{name: getattr(options, name) for name in _REQUEST})
