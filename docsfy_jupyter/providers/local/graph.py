"""The page about which module imports which."""

from __future__ import annotations

from collections import Counter

from docsfy_jupyter.providers.local.analysis import Analysis
from docsfy_jupyter.providers.local.docstrings import code, fence, table
from docsfy_jupyter.providers.local.project_pages import Draft

# More boxes than this are not read but stared at.
_BOXES = 30


def architecture(analysis: Analysis) -> Draft | None:
    """Draw the import graph, folded until it can be read."""
    names = [m.name for m in analysis.api if m.tree is not None]
    if len(names) < 2:
        return None
    depth = max(n.count(".") for n in names) + 1
    while len({_fold(n, depth) for n in names}) > _BOXES and len({_fold(n, depth - 1) for n in names}) > 2:
        depth -= 1
    edges: Counter[tuple[str, str]] = Counter()
    for module in analysis.api:
        for target in module.imports:
            pair = (_fold(module.name, depth), _fold(target, depth))
            if pair[0] != pair[1] and target in names:
                edges[pair] += 1
    nodes = sorted({n for pair in edges for n in pair})
    if not nodes:
        return None
    shown = sorted(nodes, key=lambda n: (-sum(c for p, c in edges.items() if n in p), n))[:_BOXES]
    ids = {n: f"n{i}" for i, n in enumerate(sorted(shown))}
    drawn = _essential({p for p in edges if p[0] in ids and p[1] in ids})
    top = f"{shown[0].partition('.')[0]}."
    cut = len(top) if all(n.startswith(top) or n == top[:-1] for n in shown) else 0
    lines = [f"graph {_direction(drawn)}", *(f'  {i}["{n[cut:] or n}"]' for n, i in ids.items())]
    lines += [f"  {ids[a]} --> {ids[b]}" for a, b in drawn]
    slugs = analysis.slugs
    rows = [
        (f"[{code(n)}]({slugs[n]}.md)" if n in slugs else code(n),
         ", ".join(code(b) for a, b in sorted(edges) if a == n), ", ".join(code(a) for a, b in sorted(edges) if b == n))
        for n in nodes
    ]  # fmt: skip
    words = "An arrow leads from a module to one that it imports, read from the import statements."
    words += " Arrows that follow from others are left out; the table has all." if len(drawn) < len(edges) else ""
    words += f" Drawn are the {_BOXES} most connected of {len(nodes)}." if len(nodes) > _BOXES else ""
    words += f" Its boxes leave {code(top)} out." if cut else ""
    folded = "" if depth > max(n.count(".") for n in names) else f" Modules are folded to {depth} name parts."
    return Draft(
        f"# Architecture\n\n{words}{folded}\n\n{fence(chr(10).join(lines), 'mermaid')}\n\n## Imports\n\n"
        + table(("Module", "Imports", "Imported by"), rows)
    )


def _essential(edges: set[tuple[str, str]]) -> list[tuple[str, str]]:
    """Leave out every edge whose end is reached over others all the same: what remains can be read."""
    onward: dict[str, set[str]] = {}
    for start, end in edges:
        onward.setdefault(start, set()).add(end)
    for start, end in sorted(edges):
        onward[start].discard(end)
        seen, pending = {start}, [start]
        while pending:
            for following in onward.get(pending.pop(), ()):
                if following not in seen:
                    seen.add(following)
                    pending.append(following)
        if end not in seen:
            onward[start].add(end)
    return sorted((start, end) for start, ends in onward.items() for end in ends)


def _direction(edges: list[tuple[str, str]]) -> str:
    """Return ``LR`` for a wide graph and ``TD`` for a deep one, so that its boxes keep a size that can be read."""
    onward: dict[str, list[str]] = {}
    for start, end in edges:
        onward.setdefault(start, []).append(end)
    height: dict[str, int] = {}

    def climb(node: str) -> int:
        height[node] = 0  # An arrow back into a cycle finds this and adds nothing.
        height[node] = max((1 + (height[n] if n in height else climb(n)) for n in onward.get(node, [])), default=0)
        return height[node]

    for start, _ in edges:
        if start not in height:
            climb(start)
    layers = Counter(height.values())
    return "LR" if max(layers.values(), default=0) > len(layers) else "TD"


def _fold(name: str, depth: int) -> str:
    return ".".join(name.split(".")[:depth])
