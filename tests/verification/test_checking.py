"""What pages mention is looked up in a clone: what is not there is listed, what belongs to others never is."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from docsfy_jupyter.verification.check import check
from docsfy_jupyter.verification.jobs import CheckJob, OutOfTime, Report

CLONE = {
    "pyproject.toml": '[project]\nname = "acme"\ndependencies = ["flask-login>=1"]\n[project.scripts]\nacme = "acme.cli:main"\n',
    "src/acme/__init__.py": "from acme.engine import Engine, run_all\n",
    "src/acme/engine.py": (
        "import httpx\n\n\nclass Engine:\n    def start_now(self): ...\n\n\nclass Turbo(Engine):\n    def boost_it(self): ...\n\n\n"
        "class Guest(httpx.Client):\n    pass\n\n\ndef run_all(): ...\n"
    ),
    "src/acme/open.py": "from os.path import *\n\n\ndef known_thing(): ...\n",
    "src/acme/logging.py": "def setup_log(): ...\n",
    "src/acme/cli.py": (
        "import argparse\nimport os\n\np = argparse.ArgumentParser()\np.add_argument('--dry-run')\np.add_argument('--speed')\n"
        "p.add_argument('--cache', action=argparse.BooleanOptionalAction)\nos.environ.get('ACME_HOME')\n"
    ),
    "src/acme/settings.py": "class S(BaseSettings):\n    debug_level: int = 0\n    model_config = dict(env_prefix='ACME_')\n",
    "docs/guide.md": "Run it. The state is in `var/acme.db`.\n",
    "web/app.ts": "export interface WidgetProps { colorName: string }\n",
}


def checked(tmp_path: Path, pages: dict[str, str], clone: dict[str, str] = CLONE, seconds: float = 30) -> Report:
    root, texts = tmp_path / "clone", tmp_path / "pages"
    for folder, files in ((root, clone), (texts, {f"{slug}.md": text for slug, text in pages.items()})):
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, "utf-8")
    places = {slug: str(texts / f"{slug}.md") for slug in pages}
    return check(CheckJob(str(root), tuple(clone), places, ("docs/logo.png",), seconds))


MISSING = [
    ("Call `run_everything()` first.", "name", "run_everything()"),
    ("The class `EngineFactory` builds it.", "name", "EngineFactory"),
    ("`acme.engine.Motor` is the heart.", "name", "acme.engine.Motor"),
    ("`acme.motor.Engine` is the heart.", "name", "acme.motor.Engine"),
    ("`Engine.stop_now()` ends it.", "name", "Engine.stop_now()"),
    ("`acme.engine.Turbo.brake` ends it.", "name", "acme.engine.Turbo.brake"),
    ("See `src/acme/motor.py:12`.", "path", "src/acme/motor.py"),
    ("See `factory.py`.", "path", "factory.py"),
    ("See `docs/install.md`.", "path", "docs/install.md"),
    ("Pass `--fast` to it.", "flag", "--fast"),
    ("Pass `-f, --fast` to it.", "flag", "--fast"),
    ("Pass `--fast=3` to it.", "flag", "--fast"),
    ("Run `acme --turbo`.", "flag", "--turbo"),
    ("```bash\n$ acme \\\n  --turbo 3 | less --raw\n```", "flag", "--turbo"),
    ("```\npython -m acme --turbo\n```", "flag", "--turbo"),
    ("Set `ACME_SECRET` first.", "variable", "ACME_SECRET"),
    ("Set `$ACME_SECRET` first.", "variable", "ACME_SECRET"),
    ("Set `ACME_SECRET=1` first.", "variable", "ACME_SECRET"),
    ("Read [more](install.md).", "link", "install.md"),
    ("![logo](repo-files/docs/gone.png)", "link", "repo-files/docs/gone.png"),
    ("Read [more][1].\n\n[1]: ../gone/file.md", "link", "../gone/file.md"),
    ("```python\nfrom acme import Engine, Motor\n```", "import", "acme.Motor"),
    ("```python\nimport acme.motor\n```", "import", "acme.motor"),
    ("```python\n>>> from acme.engine import stop_all\n```", "import", "acme.engine.stop_all"),
    ("`from acme import Motor`", "import", "acme.Motor"),
]


def by_page(report: Report) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for one in report.missing:
        found.setdefault(one.slug, []).append((one.kind, one.name))
    return found


def test_what_the_clone_does_not_have_is_listed_once_a_page(tmp_path: Path) -> None:
    pages = {f"p{i}": f"# Intro\n\n{text}\n\n{text}\n" for i, (text, _, _) in enumerate(MISSING)}
    expected = {f"p{i}": [(kind, name)] for i, (_, kind, name) in enumerate(MISSING)}
    assert by_page(checked(tmp_path, pages)) == expected


NOT_MISSING = [
    "`Engine`, `run_all()`, `acme.engine.Engine`, `acme.run_all`, `Engine.start_now()`, `acme.engine.Turbo.start_now`",
    "`src/acme/engine.py`, `engine.py`, `acme/engine.py#L3`, `src/acme/`, `web/app.ts`, `docs`, `./docs/guide.md`",
    "`--dry-run`, `--speed=3`, `--no-cache`, `--help`, `acme --dry-run --version`",
    "`ACME_HOME`, `$ACME_HOME`, `ACME_DEBUG_LEVEL` by its prefix, `PYTHONPATH`, `GITHUB_TOKEN`, `XDG_DATA_HOME`, `MY_TOKEN=…`",
    "[x](other.md#part) [y](#here) [z](https://example.com/gone.md) [w](mailto:a@b.c) [v](docs/guide.md) ![l](repo-files/docs/logo.png)",
    "```python\nimport acme, json, pandas as pd\nfrom acme.engine import Guest\nfrom sklearn import NewThing\nfrom acme.open import join\n```",
    "`Guest.send_it()` has a base elsewhere; `acme.open.whatever_there` a star import; `acme.engine.Guest.get_all` too.",
    "`json.loads`, `os.path.join`, `logging.getLogger()`, `asyncio.TaskGroup`, `dataclass`, `ThreadPoolExecutor`, `isinstance()`",
    "`True`, `None`, `print()`, `ready`, `status`, `an ordinary phrase`, `x`, `200`, `a/b`, `and/or`, `1.2.3`, `utf-8`, `main`",
    "`pip install --upgrade acme`, `git push --force`, `docker run --rm`, `ls -la | grep --color x`; `--rm` of docker is known",
    "The `login_manager` of flask_login and the `UserMixin` of Flask-Login are theirs; httpx has `AsyncClient`.",
    "`<name>`, `path/to/file.py`, `your_module.py`, `my_function()`, `{slug}.py`, `*.py`, `FOO=…`, `https://example.com/a_b`, `FooBar`",
    "`GitHub`, `JavaScript`, `PyTorch`, `snake_case`, `UTF_8`, `self.some_thing`, `np.linspace()`, `df.groupby_x()`, `setup.py`",
    "`config.yaml`, `output.json`, `var/acme.db`, `/etc/hosts.conf`, `~/.bashrc`, `.env`, `localhost:8888`, `origin/main`",
    "```python\ndef made_here(): ...\nhandler_of_mine = made_here()\n```\n\n`made_here()` and `handler_of_mine` are of this page.",
    '```json\n{"some_key": "some_value"}\n```\n\n`some_key` and `some_value` too.',
    "```\nother --turbo\nsudo other --raw\n```\n\n    `indented_code()`",
    "`old_thing` has been renamed to `run_all`.\n\nBreaking: `--older` is gone.\n\nWe no longer read `ACME_OLDER` or `src/acme/old.py`.",
    "What was renamed or\nmoved elsewhere: `older_thing`,\n`ACME_OLDEST`.\n\nAs with Docker, there is\n`--mounted`.",
    "[parse_it](https://h.example/parse_it) is alike, [`more_of_it`](https://h.example/) too. `parse_it` and `more_of_it` read files.",
    "`WidgetProps`, `colorName`, <!-- `hidden_name()` --> `` `tick_name` ``",
]


def test_what_is_there_or_belongs_to_others_is_not_listed(tmp_path: Path) -> None:
    pages = {**{f"p{i}": text for i, text in enumerate(NOT_MISSING)}, "other": "# Other"}
    assert by_page(checked(tmp_path, pages)) == {}


def test_a_paragraph_speaks_for_itself_and_for_no_other(tmp_path: Path) -> None:
    past = "It was removed.\n"
    apart = ["\n", "- ", "2. ", "| ", "# ", "> ", "```\nx\n```\n"]
    pages = {f"p{i}": f"{past}{mark}`older_thing`\n" for i, mark in enumerate(apart)}
    assert by_page(checked(tmp_path, pages)) == {slug: [("name", "older_thing")] for slug in pages}


def test_options_and_public_names_that_no_page_mentions_are_listed(tmp_path: Path) -> None:
    report = checked(tmp_path, {"a": "`Engine` and `--dry-run`", "b": "`Turbo`, run_all and `S`, Guest"})
    assert report.unmentioned == ["--speed", "--cache", "setup_log", "known_thing"]
    assert report.unmentioned_total == 4


def test_the_list_of_what_no_page_mentions_is_bounded_and_its_total_is_not(tmp_path: Path) -> None:
    report = checked(tmp_path, {"a": "# A"}, {"acme/big.py": "\n".join(f"def part_{i}(): ..." for i in range(300))})
    assert (len(report.unmentioned), report.unmentioned_total) == (50, 300)


def test_when_time_runs_out_nothing_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutOfTime):
        checked(tmp_path, {"a": "`not_there_at_all`"}, seconds=-1)


def test_odd_files_and_pages_are_no_trouble(tmp_path: Path) -> None:
    clone = {"a.py": "def broken(:\n", "b.py": "\x00binary", "package.json": "[1", "pyproject.toml": "= no", "c.ipynb": "{}"}
    (tmp_path / "clone").mkdir()
    (tmp_path / "clone" / "link.py").symlink_to("/etc/passwd")
    pages = {"p": "```python\nfrom b import x\nfrom (\n```\n`a.missing_name` ``` `` ` [x]( [y]: \n```sh\nnever closed --x"}
    assert checked(tmp_path, pages, {**clone}).missing == []


def test_a_clone_of_5_000_files_is_checked_within_seconds(tmp_path: Path) -> None:
    body = "\n\n".join(f"def part_{i}(value):\n    return value + {i}  # some words to read" for i in range(40))
    clone = {f"acme/m{i // 100}/f{i}.py": body for i in range(5000)}
    pages = {f"p{i}": f"`part_{i % 40}()`, `missing_{i}()`, `acme.m1.f101.gone_{i}`, `--flag-{i}`" for i in range(50)}
    began = time.process_time()
    report = checked(tmp_path, pages, clone)
    took = time.process_time() - began
    assert len(report.missing) == 150
    assert took < 20, took  # of the processor, with writing the files
