"""The wheel: what is in it, and that Jupyter has the extension enabled once it is installed, with no further command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from servers import QUICK_START

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built without the network."""
    target = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--no-index", "--wheel-dir", str(target), str(ROOT)], check=True, capture_output=True, timeout=120)
    (found,) = target.glob("*.whl")
    return found


def test_the_wheel_has_all_that_the_package_reads_at_run_time(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    paths = (ROOT / "docsfy_jupyter").rglob("*")
    files = {str(path.relative_to(ROOT)) for path in paths if path.is_file() and "__pycache__" not in path.parts}
    assert files
    assert files <= names
    assert "docsfy_jupyter/py.typed" in names
    with zipfile.ZipFile(wheel) as archive:
        notebook = archive.read("docsfy_jupyter/batch/batch_regenerate.ipynb")
    assert notebook == (ROOT / "notebooks" / "batch_regenerate.ipynb").read_bytes()
    assert any(name.startswith("docsfy_jupyter/site/templates/") for name in names)
    assert any(name.endswith("etc/jupyter/jupyter_server_config.d/docsfy_jupyter.json") for name in names)
    assert not any("test" in Path(name).name or "__pycache__" in name for name in names - files)


def test_every_vendored_asset_has_its_licence_beside_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [Path(name) for name in archive.namelist()]
    vendored = {name.parent for name in names if ".min." in name.name}
    assert vendored
    for folder in vendored:
        assert any(name.parent == folder and name.name.upper().startswith("LICENSE") for name in names), folder


@pytest.mark.case("J06")
def test_once_installed_jupyter_has_the_extension_enabled_and_ok(wheel: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True, timeout=120)
    install = [sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python"), "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*install, "--disable-pip-version-check", str(wheel)], check=True, capture_output=True, timeout=120)
    # the dependencies come from this environment; the package itself must come from the wheel
    (site,) = (venv / "lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(f"{Path(os.__file__).parent / 'site-packages'}\n{_site_packages()}\n")
    env = {key: value for key, value in os.environ.items() if not key.startswith(("JUPYTER", "PYTHON"))}
    env |= {"JUPYTER_CONFIG_DIR": str(tmp_path / "config"), "JUPYTER_NO_CONFIG": ""}
    listing = QUICK_START.replace("jupyter_server.serverapp", "jupyter_server.extension.serverextension")
    command = [str(venv / "bin" / "python"), "-P", "-c", listing, "list"]
    result = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    said = result.stdout + result.stderr
    assert result.returncode == 0, said
    assert "docsfy_jupyter enabled" in said.replace("\x1b[32m", "").replace("\x1b[0m", ""), said
    assert "docsfy_jupyter 0" in said, said
    assert "OK" in said.split("docsfy_jupyter 0", 1)[1].splitlines()[0], said
    where = subprocess.run(
        [str(venv / "bin" / "python"), "-P", "-c", "import docsfy_jupyter; print(docsfy_jupyter.__file__)"],
        env=env, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert where.stdout.startswith(str(site))
    assert json.loads((venv / "etc" / "jupyter" / "jupyter_server_config.d" / "docsfy_jupyter.json").read_text()) == {
        "ServerApp": {"jpserver_extensions": {"docsfy_jupyter": True}}
    }


def _site_packages() -> Path:
    return Path(pytest.__file__).parents[1]
