from __future__ import annotations

from pathlib import Path

import griffe
import jinja2
import pytest
from local_writing import Written, tracked, write_repository

from docsfy_jupyter.errors import ProviderUnavailable
from docsfy_jupyter.generation.process import Processes
from docsfy_jupyter.models import TrackedFile
from docsfy_jupyter.providers.base import PlanRequest, RunContext
from docsfy_jupyter.providers.local.analysis import analyse, public_members
from docsfy_jupyter.providers.local.planning import plan, write_page
from docsfy_jupyter.providers.local.provider import LocalProvider

FILES = {
    "README.md": "# Toy\n\n![logo](docs/logo.png) ![away](https://x.test/a.png) [code](src/toy/core.py) [gone](nope.md)\n",
    "docs/logo.png": "not really",
    "docs/guide.md": "# A guide\n\nSee [readme](../README.md).\n",
    "pyproject.toml": '[project]\nname="toy"\ndescription="A toy."\ndependencies=["attrs"]\n[project.scripts]\ntoy="toy.cli:main"\n',
    ".env": "PASSWORD=hunter2\n",
    ".env.example": "TOY_KEY=hunter3\n",
    "src/toy/__init__.py": '"""Toys."""\nfrom .core import Base as Base\n',
    "src/toy/core.py": (
        '"""Core."""\nclass Base:\n    """Base."""\n    def go(self, n: int = 3) -> int:\n        """Go.\n\n        Parameters\n'
        "        ----------\n        n : int\n            How far.\n\n        Raises\n        ------\n        ValueError\n            Never.\n"
        '        """\n        return n\n\nAPI_TOKEN = "very-hidden"\n'
    ),
    "src/toy/google.py": (
        '"""Google."""\nfrom toy.core import Base\n\nclass More(Base):\n    """More."""\n\ndef f(a, b=2):\n    """Do.\n\n    Args:\n'
        '        a (str): The first.\n        b (int): The second.\n\n    Returns:\n        bool: Whether.\n    """\n    raise KeyError(a)\n'
    ),
    "src/toy/sphinx.py": '"""Sphinx."""\n\ndef g(x):\n    """Do.\n\n    :param x: The thing.\n    :raises OSError: On a bad day.\n    """\n',
    "src/toy/cli.py": 'import argparse, os\ndef main():\n    p = argparse.ArgumentParser()\n    p.add_argument("--loud", default=1, help="Shout.")\n    os.environ.get("TOY_HOME")\n',
    "src/toy/broken.py": "def (:\n",
}


@pytest.fixture
def repo(tmp_path: Path) -> Written:
    root = tmp_path / "toy"
    (root / "src/toy").mkdir(parents=True)
    (root / "src/toy/link.py").symlink_to("/etc/hostname")
    odd = {
        "src/toy/latin.py": b'# -*- coding: latin-1 -*-\nNAME = "caf\xe9"\n',
        "src/toy/bom.py": b'\xef\xbb\xbf"""With a mark."""\nX = 1\n',
    }
    return write_repository(root, {**FILES, **odd})


def test_docstrings_of_all_three_styles_become_tables(repo: Written) -> None:
    pages = repo.pages()
    assert "| `n` | `int` | `3` | How far. |" in pages["api-toy-core"]
    assert "| `b` | `int` | `2` | The second. |" in pages["api-toy-google"]
    assert "Raised in its body: `KeyError`" in pages["api-toy-google"]
    assert "| `x` |" in pages["api-toy-sphinx"]
    assert "`OSError` | On a bad day." in pages["api-toy-sphinx"]


def test_a_readme_s_links_and_images_are_mended(repo: Written) -> None:
    analysis = repo.analysis()
    text, files = write_page(analysis, plan(analysis), "overview")
    assert files == ("docs/logo.png",)
    assert "![logo](repo-files/docs/logo.png) [away](https://x.test/a.png)" in text
    assert f"[code](https://github.com/o/toy/blob/{'c' * 40}/src/toy/core.py) gone" in text


def test_secrets_are_left_out_and_sample_files_give_only_keys(repo: Written) -> None:
    everything = "".join(repo.pages().values())
    assert "TOY_KEY" in everything
    assert not any(word in everything for word in ("hunter2", "hunter3", "very-hidden"))


def test_odd_files_do_not_fail_the_run(repo: Written) -> None:
    pages = repo.pages()
    assert "could not be read as Python" in pages["api-toy-broken"]
    assert "café" in pages["api-toy-latin"]
    assert "With a mark." in pages["api-toy-bom"]
    assert "api-toy-link" not in pages


def test_bases_inherited_members_and_reexports_are_linked(repo: Written) -> None:
    pages = repo.pages()
    assert "[`Base`](api-toy-core.md#toy.core.Base)" in pages["api-toy-google"]
    assert "Inherited: [`go`](api-toy-core.md#toy.core.Base.go)" in pages["api-toy-google"]
    assert "[`toy.core.Base`](api-toy-core.md#toy.core.Base)" in pages["api-toy"]


def test_command_line_and_configuration_are_described(repo: Written) -> None:
    pages = repo.pages()
    assert "| `main` | `--loud` | `1` | Shout. |" in pages["command-line"]
    assert "`TOY_HOME`" in pages["configuration"]


def test_the_edit_of_one_body_changes_one_page_of_the_plan(repo: Written) -> None:
    before = repo.plan()
    (repo.root / "src/toy/core.py").write_text(FILES["src/toy/core.py"].replace("return n", "n += 1\n        return n"))
    after = repo.plan()
    assert [p.fingerprint for p in before.pages()] == [p.fingerprint for p in after.pages()]
    assert [p.slug for p in after.pages() if "src/toy/core.py" in p.sources] == ["api-toy-core"]


def test_the_same_commit_gives_the_same_pages(repo: Written) -> None:
    assert repo.pages() == repo.pages()


def test_every_public_symbol_of_jinja2_has_its_anchor() -> None:
    root = Path(jinja2.__file__).parent
    files = [TrackedFile(f"jinja2/{p.relative_to(root)}", "0" * 40, "100644", 0) for p in sorted(root.rglob("*.py"))]
    analysis = analyse(root.parent, files, "jinja2", "", "c" * 40)
    planned = plan(analysis)
    for module in analysis.api:
        text = write_page(analysis, planned, module.slug)[0]
        assert module.griffe is not None
        missing = [m.path for m in public_members(module.griffe) if isinstance(m, griffe.Object) and f"{{#{m.path}}}" not in text]
        assert missing == []


async def test_a_session_plans_and_writes_in_its_worker(repo: Written) -> None:
    processes = Processes()
    await processes.start()
    try:
        context = RunContext(
            "g",
            "toy",
            "static",
            repo.root,
            "c" * 40,
            "https://github.com/o/toy",
            tracked(repo.root),
            120.0,
            processes,
            lambda *a, **k: None,
        )
        async with LocalProvider().open(context) as session:
            planned = (await session.plan(PlanRequest())).plan
            answer = await session.write_page(planned, planned.pages()[0])
        assert answer.markdown.startswith("# Toy")
        assert answer.usage.basis == "free"
    finally:
        await processes.aclose()


def test_any_other_model_is_refused_with_the_one_that_exists() -> None:
    with pytest.raises(ProviderUnavailable, match="static"):
        LocalProvider().check("gpt")
