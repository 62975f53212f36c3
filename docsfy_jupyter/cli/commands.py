"""What each subcommand does: call the client, show what it answers."""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from docsfy_jupyter import errors
from docsfy_jupyter.cli import INTERRUPTED
from docsfy_jupyter.cli.money import NOTHING_STARTED, agree_to_pay
from docsfy_jupyter.cli.output import Watcher, checks_of, line_of, notes_of, plain, print_json, reason_of, run_line
from docsfy_jupyter.cli.questions import agree, nothing_yet
from docsfy_jupyter.client.client import DocsfyClient
from docsfy_jupyter.client.folders import unpack_site
from docsfy_jupyter.models import Stage, Status, Variant
from docsfy_jupyter.money import cost_text, dollars
from docsfy_jupyter.screen import delete_question, foreseen_text, not_found

_NOTHING_DELETED = "Nothing was deleted"
Command = Callable[[DocsfyClient, argparse.Namespace], int]


def generate(client: DocsfyClient, options: argparse.Namespace) -> int:
    """Start a run, watch it to its end, copy its site."""
    if not options.watch and options.private:
        raise errors.BadRequest("--no-watch needs a running Jupyter server: a private one, and its runs, end with the command.")
    fields = ("provider", "model", "branch", "name", "force", "max_cost_usd")
    with nothing_yet(NOTHING_STARTED):
        agree_to_pay(client, options)
    with telling_at_interrupt(options, "The run may have begun"):
        variant: Variant = client.generate(options.repo, **{name: getattr(options, name) for name in fields})
    if not options.watch:
        _show(client, variant, options)
        if not options.json:
            where = f" --url {shlex.quote(options.url)}" if options.url else ""
            print(plain(f"It goes on by itself. Follow it: jupyter docsfy status {shlex.quote(variant.address)}{where}"))
        return 0
    return _watched_to_its_end(client, variant, options)


def _watched_to_its_end(client: DocsfyClient, variant: Variant, options: argparse.Namespace) -> int:
    code, row = 0, variant
    with telling_at_interrupt(options, f"{variant.address} is being aborted"):
        try:
            row = _watched(client, variant, quiet=options.json)
        except KeyboardInterrupt:
            print("Aborting… (until every process of the run is gone; Ctrl-C again leaves at once)", file=sys.stderr)
            code, row = INTERRUPTED, _aborted(client, variant)
    with telling_at_interrupt(options, f"{variant.address} is {row.status.value}; its site was not copied whole"):
        if options.output and row.status is Status.READY:
            _save_site(client, row, options)
    _show(client, row, options)
    if row.status is Status.ERROR and row.failed_stage is Stage.CLONING and not row.site and not options.json:
        print(plain(f"Nothing was made of it; take it out of the lists: jupyter docsfy delete {shlex.quote(row.address)}"))
    if not_found(row) and not options.json:
        print(plain(f"{not_found(row)}; they are listed by: jupyter docsfy status {shlex.quote(row.address)}"))
    return code or int(row.status is not Status.READY)


@contextmanager
def telling_at_interrupt(options: argparse.Namespace, text: str) -> Iterator[None]:
    """Tell whoever interrupts what becomes of what was begun: a private server ends with its command."""
    try:
        yield
    except KeyboardInterrupt:
        rest = "ends with this command." if options.private else "`jupyter docsfy list` shows what became of it."
        raise KeyboardInterrupt(f"{text}; {'its private server ' if options.private else ''}{rest}") from None


def _watched(client: DocsfyClient, variant: Variant, *, quiet: bool) -> Variant:
    watcher = Watcher(quiet=quiet)
    try:
        return client.wait(variant, on_change=watcher.show)
    except (errors.GenerationFailed, errors.GenerationAborted) as error:
        row: Variant = error.details["variant"]
        return row
    finally:
        watcher.close()


def _aborted(client: DocsfyClient, variant: Variant) -> Variant:
    try:
        return client.abort(variant)
    except errors.NotGenerating:  # it ended by itself just now
        return client.get(variant)
    except errors.AbortPending:
        try:
            return client.wait(variant)
        except (errors.GenerationFailed, errors.GenerationAborted) as error:
            row: Variant = error.details["variant"]
            return row


def _save_site(client: DocsfyClient, variant: Variant, options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="docsfy-site-") as folder:
        archive = client.download(variant, target=Path(folder) / "site.tar.gz")
        kept = unpack_site(archive, Path(options.output), overwrite=options.force_output)
    if kept and not options.json:
        names = ", ".join(kept[:5]) + (f" and {len(kept) - 5} more" if len(kept) > 5 else "")
        print(plain(f"Left as they were, being others' files: {names} (--force-output replaces them)"), file=sys.stderr)


def _show(client: DocsfyClient, variant: Variant, options: argparse.Namespace) -> None:
    """Print a row, and where its site is."""
    if options.json:
        print_json(variant.to_json())
        return
    print(line_of(variant) + reason_of(variant.error_message))
    if cost := cost_text(variant.run_cost_usd, variant.untold_calls):
        print(f"Cost: {cost}" + (f"; of all its runs: {dollars(variant.total_cost_usd)}" if variant.total_cost_usd else ""))
    if foreseen := foreseen_text(variant):
        print(f"Estimated: {foreseen}")
    print(notes_of(variant), end="")
    if options.output and variant.status is Status.READY:
        print(f"The site is in {options.output}/ ; open {Path(options.output) / 'index.html'}")
    elif variant.site and not options.private:
        parts = (variant.name, variant.branch, variant.ai_provider, variant.ai_model)
        print(f"The site: {client.url}docs/{'/'.join(quote(part, safe='') for part in parts)}/index.html")


def _found(client: DocsfyClient, options: argparse.Namespace) -> Variant:
    return client.get(options.name, options.provider, options.model, branch=options.branch)


def status(client: DocsfyClient, options: argparse.Namespace) -> int:
    """Show a variant, and what a check of its pages found."""
    row = _found(client, options)
    _show(client, row, options)
    if not options.json:
        print(checks_of(row), end="")
    return 0


def abort(client: DocsfyClient, options: argparse.Namespace) -> int:
    """Abort the run of a variant."""
    _show(client, client.abort(options.name, options.provider, options.model, branch=options.branch), options)
    return 0


def list_all(client: DocsfyClient, options: argparse.Namespace) -> int:
    """List the variants, newest first."""
    rows = client.list(full=True)
    if options.json:
        print_json({"projects": [row.to_json() for row in rows]})
        return 0
    print("\n".join(line_of(row) + reason_of(row.error_message) for row in rows) or "Nothing generated yet.")
    return 0


def runs(client: DocsfyClient, options: argparse.Namespace) -> int:
    """List the latest runs."""
    answer = client.runs()
    if options.json:
        print_json(answer)
        return 0
    for run in answer["runs"]:
        print(run_line(run))
    if not answer["runs"]:
        print("No runs yet.")
    return 0


def freshness(client: DocsfyClient, options: argparse.Namespace) -> int:
    """List whether what is documented is what the branches hold now; every repository is asked anew."""
    rows = client.freshness(refresh=True)
    if options.json:
        print_json({"variants": rows})
        return 0
    for row in rows:
        address = f"{row['name']}/{row['branch']}/{row['ai_provider']}/{row['ai_model']}"
        print(plain(f"{row['state']:<7}  {address}{'  ' + row['error'] if row['error'] else ''}"))
    if not rows:
        print("Nothing generated yet.")
    return 0


def delete(client: DocsfyClient, options: argparse.Namespace) -> int:
    """Delete a variant, after a question where somebody can answer it."""
    with nothing_yet(_NOTHING_DELETED):
        variant = _found(client, options)
        if not options.yes:
            agree(delete_question(variant), _NOTHING_DELETED)
    client.delete(variant)
    if options.json:
        print_json({"deleted": variant.address})
    else:
        print(plain(f"Deleted {variant.address}"))
    return 0


def download(client: DocsfyClient, options: argparse.Namespace) -> int:
    """Save a site."""
    path = client.download(
        options.name,
        options.provider,
        options.model,
        branch=options.branch,
        target=options.target,
        overwrite=options.force_output,
    )
    if options.json:
        print_json({"path": str(path)})
    else:
        print(f"Saved {path}")
    return 0


def render(client: DocsfyClient, options: argparse.Namespace) -> int:
    """Render a variant, or all that have a site and do not generate."""
    if options.name is not None:
        _show(client, client.render(_found(client, options)), options)
        return 0
    done: list[Variant] = []
    failed: dict[str, str] = {}
    for row in client.list():
        if row.status is Status.GENERATING or not row.site:
            continue
        try:
            done.append(client.render(row))
        except (errors.Conflict, errors.RunFailed, errors.NotFound) as error:
            failed[row.address] = error.message
        if not options.json:
            print(plain(f"Failed {row.address}: {failed[row.address]}" if row.address in failed else f"Rendered {row.address}"))
    if options.json:
        print_json({"rendered": [row.to_json() for row in done], "failed": failed})
    elif not done and not failed:
        print("Nothing to render.")
    return 1 if failed else 0
