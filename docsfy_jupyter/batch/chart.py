"""Pure: how long each stage of each variant took, as Vega-Lite and as SVG for whoever has no Vega.

The colours have at least 3:1 against white and against JupyterLab's dark ground, and differ in lightness too: Okabe
and Ito's set, https://jfly.uni-koeln.de/color/, made a little darker or lighter for that. Texts are of one grey for both,
since neither an image nor a chart that Vega has drawn follows a change of the theme.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from docsfy_jupyter.batch.result import VariantResult
from docsfy_jupyter.batch.summary import time_text

VEGA_LITE = "application/vnd.vegalite.v5+json"
_COLOURS: Mapping[str, str] = {
    "queued": "#8a8a8a",
    "cloning": "#3f93c9",
    "planning": "#b0780a",
    "incremental_planning": "#c46a92",
    "generating_pages": "#0f8f6b",
    "rendering": "#d2602a",
}
_ORDER = tuple(_COLOURS)
_INK = "#767676"  # 4.5:1 on white, 4.1:1 on JupyterLab's dark ground
_MAX_BARS = 60
_ROW, _LEFT, _WIDTH = 26, 250, 520  # px
_LABEL, _BARS = 320, 400  # px in Vega, which does not shrink: together they fit beside a folder's list in a window of 1200


Bar = tuple[str, Mapping[str, float]]  # a label, and the seconds of each stage


class StageChart:
    """A chart that shows itself in a notebook.

    Parameters
    ----------
    rows : iterable of (str, str, float)
        Label, stage and seconds, such as a query of the history gives; the seconds of equal labels and stages are added.
    """

    def __init__(self, rows: Iterable[tuple[str, str, float]]) -> None:
        self._bars: dict[str, dict[str, float]] = {}
        for label, stage, seconds in rows:
            if stage not in _COLOURS:
                continue  # up_to_date is a state, and takes no time
            bar = self._bars.setdefault(label, {})
            bar[stage] = bar.get(stage, 0.0) + seconds

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return _bundle(list(self._bars.items()))


def stage_chart(variants: Sequence[VariantResult]) -> dict[str, Any]:
    """Return the MIME bundle of a result's chart: Vega-Lite, SVG, and text.

    Parameters
    ----------
    variants : sequence of VariantResult
        Those without stage times are left out; of many the 60 that took longest are drawn.

    Returns
    -------
    dict
        By MIME type; text alone where no variant has a stage.
    """
    return _bundle([(f"{v.name}/{v.branch} {v.provider}/{v.model}", v.stages) for v in variants])


def _bundle(bars: Sequence[Bar]) -> dict[str, Any]:
    ordered = [(name, dict(sorted(stages.items(), key=lambda item: _ORDER.index(item[0])))) for name, stages in bars]
    shown = sorted((bar for bar in ordered if _total(bar) > 0), key=_total, reverse=True)[:_MAX_BARS]
    if not shown:
        return {"text/plain": "No run went through a stage, so there is nothing to draw."}
    text = "\n".join(f"{name}: {', '.join(f'{_word(s)} {time_text(t)}' for s, t in stages.items())}" for name, stages in shown)
    # no HTML beside them: JupyterLab would prefer it to Vega
    return {VEGA_LITE: _vega(shown), "image/svg+xml": _svg(shown), "text/plain": f"Seconds by stage\n{text}"}


def _total(bar: Bar) -> float:
    return sum(bar[1].values())


def _word(stage: str) -> str:
    return stage.replace("_", " ")


def _stages(shown: Sequence[Bar]) -> list[str]:
    return [stage for stage in _COLOURS if any(stage in times for _, times in shown)]


def _vega(shown: Sequence[Bar]) -> dict[str, Any]:
    stages = _stages(shown)
    values = [
        {"variant": name, "stage": _word(stage), "seconds": seconds, "order": stages.index(stage)}
        for name, times in shown
        for stage, seconds in times.items()
    ]
    colour = {"domain": [_word(stage) for stage in stages], "range": [_COLOURS[stage] for stage in stages]}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "description": "Seconds that each stage of each variant took",
        "background": "transparent",
        "config": {
            "axis": {
                "labelFontSize": 12,
                "titleFontSize": 12,
                "labelColor": _INK,
                "titleColor": _INK,
                "domainColor": _INK,
                "tickColor": _INK,
                "gridColor": f"{_INK}44",
            },
            "legend": {"labelFontSize": 12, "labelColor": _INK},
            "view": {"stroke": None},
        },
        "data": {"values": values},
        "mark": {"type": "bar", "tooltip": True},
        "width": _BARS,
        "height": {"step": _ROW},
        "encoding": {
            "y": {
                "field": "variant",
                "type": "nominal",
                "sort": [name for name, _ in shown],
                "title": None,
                "axis": {"labelLimit": _LABEL},
            },
            "x": {"field": "seconds", "type": "quantitative", "title": "seconds", "stack": "zero"},
            "color": {"field": "stage", "type": "nominal", "scale": colour, "legend": {"orient": "bottom", "title": None}},
            "order": {"field": "order", "type": "quantitative"},
        },
    }


def _svg(shown: Sequence[Bar]) -> str:
    stages, longest = _stages(shown), _total(shown[0])
    height = _ROW * len(shown) + 70
    parts = [_bar_row(bar, number, longest) for number, bar in enumerate(shown)]
    base = _ROW * len(shown) + 14
    ticks = [(_LEFT + _WIDTH * quarter / 4, time_text(longest * quarter / 4)) for quarter in range(5)]
    axis = "".join(f'<text x="{x:.0f}" y="{base + 14}" text-anchor="middle">{text}</text>' for x, text in ticks)
    step = (_LEFT + _WIDTH) // max(len(stages), 1)
    legend = "".join(
        f'<rect x="{8 + step * n}" y="{base + 30}" width="12" height="12" fill="{_COLOURS[stage]}"/>'
        f'<text x="{24 + step * n}" y="{base + 40}">{_word(stage)}</text>'
        for n, stage in enumerate(stages)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="Seconds that each stage of each variant took" '
        f'viewBox="0 0 {_LEFT + _WIDTH + 40} {height}" style="max-width:{_LEFT + _WIDTH + 40}px;width:100%;height:auto" '
        f'font-family="sans-serif" font-size="12" fill="{_INK}">{"".join(parts)}{axis}{legend}</svg>'
    )


def _bar_row(bar: Bar, number: int, longest: float) -> str:
    top, x = _ROW * number + 8, float(_LEFT)
    name, stages = bar
    shown = name if len(name) <= 36 else f"{name[:17]}…{name[-18:]}"
    parts = [
        f'<text x="{_LEFT - 8}" y="{top + 13}" text-anchor="end"><title>{html.escape(name)}</title>{html.escape(shown)}</text>'
    ]
    for stage, seconds in stages.items():
        width = _WIDTH * seconds / longest
        told = f"{_word(stage)}: {time_text(seconds)}"
        place = f'x="{x:.1f}" y="{top}" width="{width:.1f}" height="{_ROW - 8}"'
        parts.append(f'<rect {place} fill="{_COLOURS[stage]}"><title>{told}</title></rect>')
        x += width
    return "".join(parts)
