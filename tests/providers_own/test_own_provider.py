"""The provider of docs/providers/your_own.md, installed as a stranger would, and plug-ins that are broken."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from servers import Server, commit

GUIDE = Path(__file__).parents[2] / "docs" / "providers" / "your_own.md"
GROUP = "docsfy_jupyter.providers"
BROKEN = {
    "missing": ("gone_module:Provider", "ModuleNotFoundError: No module named 'gone_module'"),
    "nameless": ("docsfy_texts:Nobody", "has no attribute 'Nobody'"),
    "raising": ("raising_plugin:Provider", "RuntimeError: not on this machine"),
    "exiting": ("exiting_plugin:Provider", "SystemExit: 3"),
    "stranger": ("collections:OrderedDict", "is not a docsfy_jupyter Provider"),
    "abstract": ("docsfy_jupyter.providers.base:Provider", "Can't instantiate abstract class"),
    "careless": ("careless_plugin:Provider", "KeyError: 'NO_SUCH_VARIABLE'"),
}
PLUGINS = {
    "raising_plugin": "raise RuntimeError('not on this machine')\n",
    "exiting_plugin": "raise SystemExit(3)\n",
    "careless_plugin": (
        "import os\nfrom docsfy_texts import TextsProvider\n\n\nclass Provider(TextsProvider):\n"
        "    name = 'careless'\n\n    def check(self, model):\n        os.environ['NO_SUCH_VARIABLE']\n"
    ),
}


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert found
    return found[1]


def install(folder: Path, name: str, points: dict[str, str], modules: dict[str, str]) -> None:
    """Put a distribution into a folder as an installer would."""
    for module, code in modules.items():
        (folder / f"{module}.py").write_text(code, "utf-8")
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n" + "".join(f"{key} = {value}\n" for key, value in points.items()))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that servers import from, with the guide's package in it."""
    folder = tmp_path / "site-of-plugins"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")])))
    project = tomllib.loads(block("toml"))["project"]
    install(folder, project["name"], project["entry-points"][GROUP], {"docsfy_texts": block("python")})
    return folder


def test_the_guides_provider_works_from_its_entry_point_to_a_site_and_broken_ones_are_told(
    site: Path, start_server: Callable[..., Server], demo_repo: Path
) -> None:
    install(site, "broken-plugins", {name: target for name, (target, _) in BROKEN.items()}, PLUGINS)
    commit(demo_repo, {"docs/Using it.md": "# Using it\n\nIt is **used**.\n"})
    server = start_server()
    known = server.call("GET", "api/models").json()
    assert {"texts", "local", *BROKEN} <= set(known["providers"])
    assert known["provider_status"]["texts"] == {"available": True, "reason": None, "model": "plain"}
    for name, (_, reason) in BROKEN.items():
        state = known["provider_status"][name]
        assert (state["available"], reason in state["reason"]) == (False, True), (name, state)
        refused = server.call("POST", "api/generate", json={"repo_path": str(demo_repo), "branch": "main", "ai_provider": name})
        assert (refused.status_code, refused.json()["code"]) == (400, "provider_unavailable"), refused.text
        assert reason in refused.json()["detail"]

    body = {"repo_path": str(demo_repo), "branch": "main", "ai_provider": "texts"}
    assert server.call("POST", "api/generate", json=body).status_code == 202
    row = server.ended("api/projects/demo/main/texts/plain")
    assert (row["status"], row["page_count"], row["run_cost_usd"]) == ("ready", 2, 0.0), row["error_message"]
    page = server.call("GET", "docs/demo/main/texts/plain/docs-using-it.html")
    assert "It is <strong>used</strong>." in page.text
    commit(demo_repo, {"README.md": "# Demo\n\nAnother text.\n"})
    assert server.call("POST", "api/generate", json=body).status_code == 202
    row = server.ended("api/projects/demo/main/texts/plain")
    assert (row["status"], row["pages_done"]) == ("ready", ["readme"])
    assert server.call("GET", "api/projects").json()["total"] == 1


def test_the_guides_provider_is_ten_lines_beside_imports_and_heads() -> None:
    code = [line for line in block("python").splitlines() if line.strip() and not line.startswith(("from", "import", "class"))]
    assert len(code) <= 10, len(code)
