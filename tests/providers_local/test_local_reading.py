"""What a reader finds on the pages: public names, signatures, commands, settings, the way around."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import griffe
import pytest
from local_writing import Written

from docsfy_jupyter.models import TrackedFile
from docsfy_jupyter.providers.local.analysis import Analysis, analyse, public_members
from docsfy_jupyter.providers.local.naming import group_titles, short_titles
from docsfy_jupyter.providers.local.planning import plan, write_page

Write = Callable[[dict[str, str]], Written]

PRIVATE = {
    "p/__init__.py": "from p._core import Engine as Engine, start\nfrom p.api import Door\n__all__ = ['Engine', 'start', 'Door']\n",
    "p/_core.py": (
        "from p.api import Door\n\nclass Engine:\n    '''Turns.'''\n    def run(self, door: Door) -> int:\n        raise OSError(door)\n\n"
        "def start(n=1):\n    '''Start.'''\n\ndef hidden():\n    '''Not offered.'''\n"
    ),
    "p/api.py": "from p import Engine\n\nclass Door:\n    '''Opens.'''\n\ndef make() -> Engine:\n    '''Make an `Engine`.'''\n",
}


def test_what_a_package_offers_from_a_private_module_is_described_where_it_is_public(write: Write) -> None:
    repo = write(PRIVATE)
    pages = repo.pages()
    assert sorted(s for s in pages if s.startswith("api-")) == ["api-p", "api-p-api"]
    page = pages["api-p"]
    assert "### `Engine` {#p.Engine}" in page
    assert "#### `Engine.run(door)` {#p.Engine.run}" in page
    assert "Raised in its body: `OSError`." in page
    assert f"[`p/_core.py`, line 5](https://github.com/o/toy/blob/{'c' * 40}/p/_core.py#L5-L6)" in page
    assert "[`Door`](api-p-api.md#p.api.Door)" in page
    assert "| `Door` | [`p.api.Door`](api-p-api.md#p.api.Door) |" in page
    assert "hidden" not in "".join(pages.values())
    assert "[`Engine`](api-p.md#p.Engine)" in pages["api-p-api"]


def test_a_page_that_shows_a_private_module_s_objects_changes_with_that_file(write: Write) -> None:
    sources = {p.slug: p.sources for p in write(PRIVATE).plan().pages()}
    assert sources["api-p"] == ["p/__init__.py", "p/_core.py"]
    assert sources["api-p-api"] == ["p/api.py"]


def _installed(name: str) -> Analysis:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    root = Path(spec.origin).parent
    files = [TrackedFile(f"{name}/{p.relative_to(root)}", "0" * 40, "100644", 0) for p in sorted(root.rglob("*.py"))]
    return analyse(root.parent, files, name, "", "c" * 40)


def _unwritten(owner: griffe.Module | griffe.Class, public: str, text: str) -> list[str]:
    missing = []
    for member in public_members(owner):
        name = f"{public}.{member.name}"
        if (isinstance(member, griffe.Alias) and f"{{#{name}}}" not in text and f"\n| `{member.name}` |" not in text) or (
            isinstance(member, griffe.Object) and f"{{#{name}}}" not in text
        ):
            missing.append(name)
        elif isinstance(member, griffe.Class):
            missing += [
                m for m in _unwritten(member, name, text) if isinstance(member.members.get(m.rpartition(".")[2]), griffe.Object)
            ]
    return missing


@pytest.mark.parametrize("name", ["click", "griffe"])
def test_every_public_name_that_griffe_sees_is_on_a_page(name: str) -> None:
    analysis = _installed(name)
    planned = plan(analysis)
    for module in analysis.api:
        assert module.griffe is not None
        assert _unwritten(module.griffe, module.name, write_page(analysis, planned, module.slug)[0]) == []


def test_a_class_shows_how_it_is_made_and_a_long_signature_has_a_line_for_each_parameter(write: Write) -> None:
    code = (
        "from dataclasses import dataclass\n\nclass Shop:\n    def __init__(self, name: str, *, open_at: int = 8, close_at: int = 20, "
        "keeper: str = 'nobody at all', street: str = '') -> None:\n        pass\n\n@dataclass\nclass Point:\n    x: int\n    y: int = 0\n"
    )
    page = write({"m.py": code}).pages()["api-m"]
    assert (
        "```python\nclass Shop\nShop(\n    name: str,\n    *,\n    open_at: int = 8,\n    close_at: int = 20,\n"
        "    keeper: str = 'nobody at all',\n    street: str = '',\n)\n```" in page
    )
    assert "| `keeper` | `str` | `'nobody at all'` |" in page
    assert "```python\n@dataclass\nclass Point\nPoint(x: int, y: int = 0)\n```" in page


def test_a_function_that_is_wrapped_by_its_own_name_stays_a_function(write: Write) -> None:
    page = write(
        {"m.py": "from functools import cache\n\ndef f(a):\n    '''Do.'''\n    raise KeyError(a)\n\nf = cache(f)\n"}
    ).pages()["api-m"]
    assert "### `f(a)` {#m.f}" in page
    assert "Raised in its body: `KeyError`." in page


def test_what_is_returned_is_said_once(write: Write) -> None:
    numpy = "    '''Do.\n\n    Returns\n    -------\n    str\n        Text.\n    '''\n"
    page = write({"m.py": f"def a() -> int: ...\n\ndef b() -> str:\n{numpy}\ndef c() -> None: ...\n"}).pages()["api-m"]
    assert page.count("**Returns**") == 2
    assert "**Returns** `int`" in page
    assert "`str` | Text. |" in page


def test_a_module_page_does_not_link_to_itself(write: Write) -> None:
    page = write(
        {"a/__init__.py": "", "a/b.py": "'''See `a.b` and `a`.'''\ndef f():\n    '''Call `f` or `g`.'''\ndef g(): ...\n"}
    ).pages()["api-a-b"]
    assert "Module `a.b`, defined in" in page
    assert "See `a.b` and [`a`](api-a.md)." in page
    assert "Call `f` or [`g`](#a.b.g)." in page


def test_typer_options_are_read_from_annotations_and_defaults(write: Write) -> None:
    code = (
        "import typer\nfrom typing import Annotated\napp = typer.Typer()\n\n@app.command()\ndef greet(\n    ctx: typer.Context,\n    name: str,\n"
        "    loud: bool = False,\n    times: Annotated[int, typer.Option('--times', '-n', help='How often.')] = 1,\n"
        "    who: str = typer.Argument('you', help='Whom.'),\n    deep_level: int = typer.Option(..., help='How deep.'),\n): ...\n"
    )
    page = write({"cli.py": code}).pages()["command-line"]
    rows = [line for line in page.split("\n") if line.startswith("| `greet`")]
    assert rows == [
        "| `greet` | `NAME` | `str` | required |  |",
        "| `greet` | `--loud / --no-loud` | `bool` | `False` |  |",
        "| `greet` | `--times, -n` | `int` | `1` | How often. |",
        "| `greet` | `WHO` | `str` | `'you'` | Whom. |",
        "| `greet` | `--deep-level` | `int` | required | How deep. |",
    ]


def test_click_and_argparse_options_of_private_modules_are_listed_too(write: Write) -> None:
    code = (
        "import argparse\nimport click\n\n@click.command()\n@click.option('--count', type=int, required=True, help='Number.')\n@click.argument('name')\n"
        "def hello(count, name): ...\n\ndef build():\n    p = argparse.ArgumentParser()\n    p.add_argument('--mode', choices=['a', 'b'])\n"
        "    p.add_argument('-v', '--verbose', action='store_true', help='Say ' 'more.')\n"
    )
    page = write({"p/__init__.py": "", "p/_cli.py": code}).pages()["command-line"]
    rows = [line for line in page.split("\n") if line.startswith("| `")]
    assert rows == [
        "| `hello` | `--count` | `int` | required | Number. |",
        "| `hello` | `name` |  |  |  |",
        "| `build` | `--mode` |  |  | One of `['a', 'b']`. |",
        "| `build` | `-v, --verbose` | `flag` |  | Say more. |",
    ]
    assert "Declared in `p/_cli.py`." in page


def test_options_of_argparse_are_told_by_their_sub_command(write: Write) -> None:
    code = (
        "import argparse\n\ndef build():\n    p = argparse.ArgumentParser()\n    p.add_argument('--all')\n    subs = p.add_subparsers()\n"
        "    run = subs.add_parser('run', help='Go.')\n    run.add_argument('--fast')\n    deeper = run.add_subparsers()\n"
        "    x = deeper.add_parser('once')\n    group = x.add_mutually_exclusive_group()\n    group.add_argument('--now')\n"
        "    x = subs.add_parser('stop')\n    x.add_argument('--hard')\n"
    )
    rows = [line for line in write({"cli.py": code}).pages()["command-line"].split("\n") if line.startswith("| `")]
    assert rows == [
        "| `build` | `--all` |  |",
        "| `build` | `run (command)` | Go. |",
        "| `run` | `--fast` |  |",
        "| `run` | `once (command)` |  |",
        "| `run once` | `--now` |  |",
        "| `build` | `stop (command)` |  |",
        "| `stop` | `--hard` |  |",
    ]


def test_a_package_is_related_to_its_modules_first(write: Write) -> None:
    planned = write({"a/__init__.py": "", "a/b/__init__.py": "", "a/b/deep.py": "", "a/c.py": ""}).plan()
    related = {p.slug: p.related for p in planned.pages()}
    assert related["api-a-b"] == ["api-a-b-deep", "api-a", "api-a-c"]


def test_entry_points_of_every_group_are_listed(write: Write) -> None:
    text = "[project]\nname='a'\n[project.scripts]\na='a:main'\n[project.gui-scripts]\naw='a:win'\n[project.entry-points.'x.plugins']\nfast='a:Fast'\n"
    page = write({"pyproject.toml": text}).pages()["command-line"]
    assert "| `a` | `a:main` |\n| `aw` | `a:win` |" in page
    assert "| `x.plugins` | `fast` | `a:Fast` |" in page


def test_environment_variables_are_one_table_by_name_and_settings_have_their_types(write: Write) -> None:
    repo = write(
        {
            "a.py": "import os\nB = os.environ['ZED']\nC = os.getenv('ALPHA', 'x')\n",
            "b.py": "import os\nfrom pydantic_settings import BaseSettings\nD = os.environ.get('ALPHA')\nclass Conf(BaseSettings):\n    port: int = 80\n",
        }
    )
    page = repo.pages()["configuration"]
    assert (
        "| Variable | Default | Read in |\n| --- | --- | --- |\n| `ALPHA` | `'x'` | [`a`](api-a.md), [`b`](api-b.md) |\n"
        "| `ZED` |  | [`a`](api-a.md) |" in page
    )
    assert "| `Conf` | `port` | `int` | `80` |" in page


def test_the_import_graph_leaves_out_arrows_that_follow_from_others(write: Write) -> None:
    repo = write({"p/__init__.py": "", "p/a.py": "import p.b, p.c\n", "p/b.py": "import p.c\n", "p/c.py": ""})
    page = repo.pages()["architecture"]
    assert page.count("-->") == 2
    assert 'graph TD\n  n0["a"]\n  n1["b"]\n  n2["c"]\n  n0 --> n1\n  n1 --> n2' in page
    assert "| [`p.a`](api-p-a.md) | `p.b`, `p.c` |  |" in page


def test_a_graph_of_many_modules_is_folded_to_thirty_boxes(write: Write) -> None:
    files = {f"p/k{i}/m{j}.py": f"import p.k{(i + 1) % 20}.m{j}\n" for i in range(20) for j in range(4)}
    page = write(files).pages()["architecture"]
    assert page.count('["k') == 20
    assert "Modules are folded to 2 name parts." in page


def test_a_flat_package_of_many_modules_draws_the_most_connected(write: Write) -> None:
    page = write({"p/__init__.py": "", **{f"p/m{i}.py": "import p.m0\n" for i in range(40)}}).pages()["architecture"]
    assert page.count('["m') == 30
    assert '["m0"]' in page
    assert "graph LR" in page
    assert "Drawn are the 30 most connected of 40." in page


def test_titles_are_the_shortest_that_no_other_module_has() -> None:
    names = [
        "shop",
        "shop.client",
        "shop.client.answers",
        "shop.client.client",
        "shop.server.answers",
        "shop.models",
        "shop.__main__",
    ]
    assert short_titles(names) == {
        "shop": "shop", "shop.client": "shop.client", "shop.client.answers": "client.answers", "shop.client.client": "client.client",
        "shop.server.answers": "server.answers", "shop.models": "models", "shop.__main__": "shop.__main__",
    }  # fmt: skip


def test_modules_are_grouped_by_their_package(write: Write) -> None:
    assert group_titles(["a", "a.b", "a.c", "a.c.d"]) == {
        "a": "API reference",
        "a.b": "API reference",
        "a.c": "a.c",
        "a.c.d": "a.c",
    }
    assert group_titles(["a", "a.b", "z", "z.y", "one"]) == {"a": "a", "a.b": "a", "z": "z", "z.y": "z", "one": "API reference"}
    planned = write({"a/__init__.py": "", "a/b.py": "", "a/c/__init__.py": "", "a/c/d.py": ""}).plan()
    shown = {g.group: [p.title for p in g.pages] for g in planned.navigation}
    assert shown == {"Getting started": ["Overview"], "API reference": ["a", "b"], "a.c": ["c", "d"]}


def test_two_runs_give_the_same_bytes_and_the_same_plan(write: Write) -> None:
    repo = write({**PRIVATE, "README.md": "# P\n", "p/cli.py": "import argparse, os\nos.getenv('A')\n"})
    assert repo.pages() == repo.pages()
    assert repo.plan().model_dump_json() == repo.plan().model_dump_json()
