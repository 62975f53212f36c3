"""The batch notebook: by papermill, by the command and by hand it tells the same; killed, it tells what happened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from appearance import SCREENSHOTS
from batching import Bench, descendants, ended, told
from lab import Lab
from panels import until

from docsfy_jupyter.batch.papermill import packaged_notebook
from docsfy_jupyter.batch.receipts import read_result
from docsfy_jupyter.batch.result import BatchResult
from docsfy_jupyter.cli import main

# an estimate knows the runs before it
VOLATILE = ("started_at", "ended_at", "seconds", "batch_id", "batch_ids", "generation_id", "stages", "estimate")
SANITISE = Path(__file__).parents[2] / "notebooks" / "nbval-sanitize.cfg"
WAITS = '"outcome": "generating", "reason": "Generating'
HOLD = "pages=2,hold=page-2"


def lasting(result: BatchResult | None) -> dict[str, Any]:
    """Return a result without what differs from run to run."""
    assert result is not None
    data = result.to_json()
    variants = [{key: value for key, value in one.items() if key not in VOLATILE} for one in data.pop("variants")]
    return {**{key: value for key, value in data.items() if key not in VOLATILE}, "variants": variants}


@pytest.mark.browser
@pytest.mark.case("P10")
def test_by_papermill_by_the_command_and_by_hand_it_tells_the_same(lab: Lab, shared_repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = {"repo": str(shared_repo), "name": "three-ways", "provider": "fake", "force": True}
    parameters = {"variants": [{**common, "model": "pages=3"}, {**common, "model": "pages=2,title=x"}]}
    file, out = tmp_path / "batch.yaml", tmp_path / "out.ipynb"
    file.write_text(yaml.safe_dump(parameters), "utf-8")
    environment = {**os.environ, "DOCSFY_JUPYTER_URL": lab.server.api, "DOCSFY_JUPYTER_TOKEN": lab.server.token}
    papermill = [sys.executable, "-m", "papermill", str(packaged_notebook()), str(out), "-f", str(file), "--no-progress-bar"]
    done = subprocess.run(papermill, cwd="/", env=environment, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr[-3000:]

    where = ("--url", lab.server.url, "--token", lab.server.token, "--output", str(tmp_path / "runs"))
    assert main(["batch", str(file), *where, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)

    cells = [cell for cell in nbformat.read(packaged_notebook(), 4).cells if cell.cell_type == "code"]
    typed = f"{cells[0].source}\nvariants = {parameters['variants']!r}"
    page = lab.open(typed, *(cell.source for cell in cells[1:]))
    page.page.evaluate("() => jupyterapp.commands.execute('notebook:run-all-cells')")
    page.page.locator(".vega-embed").wait_for(timeout=90_000)
    look_at_chart(page.page)
    page.save()
    by_hand = lab.home / "root" / page.path
    until(lambda: read_result(by_hand), "the notebook is saved")

    results = [lasting(read_result(path)) for path in (out, Path(document["receipt"]), by_hand)]
    assert results[0]["counts"] == {"ready": 2}
    assert results[1] == results[0]
    assert results[2] == results[0]
    for path in (out, by_hand):
        text = path.read_text("utf-8")
        assert "three-ways/main/fake/pages=3 · ready · 3 / 3 pages" in text
        assert lab.server.token not in text
        widgets = nbformat.reads(text, 4).metadata.get("widgets", {"none": {"state": {}}})
        assert all("state" in kind for kind in widgets.values())

    nbval = [sys.executable, "-m", "pytest", "-c", os.devnull, f"--rootdir={tmp_path}", "-q", "--noconftest", "-p", "no:cacheprovider", "-p", "nbval.plugin"]
    nbval += ["--nbval", "--nbval-current-env", f"--nbval-sanitize-with={SANITISE}", "--nbval-cell-timeout=90", str(out)]
    again = subprocess.run(nbval, env={**environment, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}, capture_output=True, text=True, timeout=150, check=False)
    assert again.returncode == 0, again.stdout[-3000:]


def look_at_chart(page: Any) -> None:
    """Check the chart in both themes, and keep pictures where they are wanted."""
    for theme in ("Dark", "Light"):
        page.evaluate("name => jupyterapp.commands.execute('apputils:change-theme', {theme: name})", f"JupyterLab {theme}")
        dark = theme == "Dark"
        page.wait_for_function(f"() => document.body.dataset.jpThemeLight === '{str(not dark).lower()}'")
        chart = page.locator(".jp-RenderedVegaCommon5").last
        chart.scroll_into_view_if_needed()
        drawn, room = chart.locator("canvas, svg").first.bounding_box(), chart.bounding_box()
        assert drawn["width"] > 300
        assert drawn["x"] + drawn["width"] <= room["x"] + room["width"]  # nothing is cut off
        if SCREENSHOTS:
            page.screenshot(path=str(Path(SCREENSHOTS) / f"batch-chart-{theme.lower()}.png"))


def test_a_kernel_and_papermill_that_are_killed_leave_receipts_and_the_next_batch_finishes_the_rest(
    bench: Bench, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(temporary))
    bench.repo("killed")
    bench.gate.touch()
    common = {"repo": "killed", "provider": "fake"}
    file = bench.file("killed.yaml", [{**common, "model": "pages=1"}, {**common, "model": HOLD}])
    for victim in ("ipykernel_launcher", "papermill"):
        child = bench.begin(file, "--json")
        until(lambda: any(WAITS in line for line in told(bench.started[-1])), "one waits", 90)
        (process,) = descendants(child, victim)
        process.kill()
        code, document = ended(child)
        assert code == 1
        assert document["note"].startswith("This batch was cut off: "), document
        assert document["variants"][1]["outcome"] == "lost"
        assert document["variants"][1]["reason"] == "it goes on at the server; the next batch joins it"
        assert read_result(Path(document["receipt"])) is not None
        assert list(temporary.iterdir()) == [], "the kernel's key is left"
    bench.gate.unlink()
    code, document = bench.batch(file)
    assert (code, document["ok"]) == (0, True)
    assert [row["status"] for row in bench.rows("killed")] == ["ready", "ready"]
