"""Repositories of every shape: what gets a page, under which name."""

from __future__ import annotations

from collections.abc import Callable

from local_writing import Written

Write = Callable[[dict[str, str]], Written]


def _modules(repo: Written) -> dict[str, str]:
    return {m.slug: m.name for m in repo.analysis().api}


def test_a_src_layout_is_named_as_it_is_imported(write: Write) -> None:
    repo = write({"pyproject.toml": "[project]\nname='a'\n", "src/a/__init__.py": "", "src/a/b.py": "X = 1\n"})
    assert _modules(repo) == {"api-a": "a", "api-a-b": "a.b"}


def test_a_namespace_package_without_init_has_its_modules_by_their_full_names(write: Write) -> None:
    repo = write({"pyproject.toml": "", "src/space/one/__init__.py": "", "src/space/one/deep.py": "def f(): ...\n"})
    assert _modules(repo) == {"api-space-one": "space.one", "api-space-one-deep": "space.one.deep"}
    assert "{#space.one.deep.f}" in repo.pages()["api-space-one-deep"]


def test_a_repository_of_one_module_has_one_module_page(write: Write) -> None:
    repo = write({"setup.py": "from setuptools import setup\nsetup(name='one')\n", "one.py": '"""One."""\ndef go(): ...\n'})
    assert _modules(repo) == {"api-one": "one"}
    assert "`go()`" in repo.pages()["api-one"]


def test_a_stub_alone_is_documented_and_one_beside_its_module_is_not_a_second_page(write: Write) -> None:
    repo = write(
        {
            "p/__init__.py": "",
            "p/fast.pyi": "def f(a: int) -> str: ...\n",
            "p/both.py": "def g(b): ...\n",
            "p/both.pyi": "def g(b: int): ...\n",
        }
    )
    assert _modules(repo) == {"api-p": "p", "api-p-both": "p.both", "api-p-fast": "p.fast"}
    assert "def f(a: int) -> str" in repo.pages()["api-p-fast"]


def test_names_that_fold_to_one_slug_get_a_page_each(write: Write) -> None:
    repo = write({"a/__init__.py": "", "a/b_c.py": "", "a/b/__init__.py": "", "a/b/c.py": "", "a/B_C.py": ""})
    assert _modules(repo) == {
        "api-a": "a", "api-a-b-c": "a.B_C", "api-a-b": "a.b", "api-a-b-c-2": "a.b.c", "api-a-b-c-3": "a.b_c",
    }  # fmt: skip
    pages = repo.pages()
    assert [pages[s].split("\n")[0] for s in ("api-a-b-c", "api-a-b-c-2", "api-a-b-c-3")] == [
        "# `a.B_C`",
        "# `a.b.c`",
        "# `a.b_c`",
    ]


def test_a_huge_module_is_listed_whole(write: Write) -> None:
    repo = write({"big.py": "".join(f"def f{i}(a, b={i}):\n    return a\n\n" for i in range(2000))})
    page = repo.pages()["api-big"]
    assert page.count("\n### `f") == 2000
    assert "def f1999(a, b=1999)" in page


def test_code_without_docstrings_shows_signatures_and_nothing_made_up(write: Write) -> None:
    repo = write({"m.py": 'def f(a, b=2):\n    """"""\n    return a\n\nclass K:\n    """   """\n    x = 1\n'})
    assert repo.pages()["api-m"] == (
        "# `m`\n\nModule `m`, defined in [`m.py`](https://github.com/o/toy/blob/" + "c" * 40 + "/m.py).\n\n"
        "## Classes\n\n### `K` {#m.K}\n\n```python\nclass K\n```\n\n"
        "Defined in [`m.py`, line 5](https://github.com/o/toy/blob/" + "c" * 40 + "/m.py#L5-L7).\n\n"
        "#### `K.x` {#m.K.x}\n\n```python\nx = 1\n```\n\n"
        "Defined in [`m.py`, line 7](https://github.com/o/toy/blob/" + "c" * 40 + "/m.py#L7).\n\n"
        "## Functions\n\n### `f(a, b)` {#m.f}\n\n```python\ndef f(a, b=2)\n```\n\n"
        "Defined in [`m.py`, line 1](https://github.com/o/toy/blob/" + "c" * 40 + "/m.py#L1-L3).\n\n"
        "**Parameters**\n\n| Name | Default |\n| --- | --- |\n| `a` |  |\n| `b` | `2` |\n"
    )


def test_where_a_package_defines_a_function_is_text_and_not_emphasis(write: Write) -> None:
    repo = write({"p/__init__.py": "def f(): ...\n"})
    assert "Defined in [`p/__init__.py`, line 1](" in repo.pages()["api-p"]


def test_a_javascript_project_has_honest_pages_and_no_api_reference(write: Write) -> None:
    repo = write(
        {
            "package.json": '{"name": "@o/gizmo", "description": "A gizmo.", "bin": "cli.js", "scripts": {"test": "jest"}, "dependencies": {"left": "^1"}}',
            "index.js": "export function spin(a) {}\nexport const SPEED = 3;\n",
        }
    )
    planned, pages = repo.plan(), repo.pages()
    assert [p.slug for p in planned.pages()] == ["overview", "installation", "command-line", "scripts"]
    assert planned.tagline == "A gizmo."
    assert "| `npm run test` | `jest` |" in pages["installation"]
    assert "| `gizmo` | `cli.js` |" in pages["command-line"]
    assert "- `spin` (function)\n- `SPEED` (const)" in pages["scripts"]
    assert "python" not in "".join(pages.values()).lower()


def test_rust_and_go_projects_say_how_they_are_built(write: Write) -> None:
    repo = write(
        {
            "Cargo.toml": "[package]\nname='c'\n[dependencies]\nserde='1'\n",
            "go.mod": "module x.test/y\n",
            "src/main.rs": "fn main() {}\n",
        }
    )
    text = repo.pages()["installation"]
    assert "cargo build --release" in text
    assert "- `serde`" in text
    assert "The module is `x.test/y`." in text
    assert "pip install" not in text


def test_a_repository_without_readme_still_has_an_overview(write: Write) -> None:
    repo = write({"a.txt": "nothing"})
    assert repo.pages() == {
        "overview": "# toy\n\n## Languages\n\nNo source file of a known programming language is tracked.\n\n## Layout\n\n```text\na.txt\n```\n"
    }


def test_secret_files_reach_no_page_not_even_by_name(write: Write) -> None:
    secrets = [
        ".env",
        ".env.local",
        "server.pem",
        "keys/id_rsa",
        "deploy.key",
        ".npmrc",
        ".netrc",
        "credentials.json",
        "a/secrets.yml",
    ]
    repo = write({"README.md": "# T\n\n[k](server.pem)\n", **{name: f"hidden-{i}" for i, name in enumerate(secrets)}})
    everything = "".join(repo.pages().values())
    assert "hidden-" not in everything
    assert [name for name in secrets if name.rpartition("/")[2] in everything] == []
