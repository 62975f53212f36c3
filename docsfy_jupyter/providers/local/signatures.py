"""How Python objects are written above their descriptions."""

from __future__ import annotations

import griffe

from docsfy_jupyter.providers.local.files import SECRET_WORD

_LONG = 160
_WIDE = 88


def title(item: griffe.Object, public: str) -> str:
    """Return what a heading calls an object; `public` is the name that it is found by."""
    name = ".".join(public.split(".")[-2:]) if isinstance(item.parent, griffe.Class) else public.rpartition(".")[2]
    if isinstance(item, griffe.Function):
        shown = ", ".join(p.name for p in item.parameters if p.name not in {"self", "cls"})
        return f"{name}({shown if len(shown) < 60 else '…'})"
    return name


def constructor(item: griffe.Class) -> griffe.Function | None:
    """Return the ``__init__`` that a class has itself, written or made by ``dataclass``."""
    made = item.members.get("__init__")
    return made if isinstance(made, griffe.Function) else None


def signature(item: griffe.Object) -> str:
    """Return how an object is declared; of a class also how it is called."""
    decorators = [f"@{d.value}" for d in getattr(item, "decorators", [])]
    if isinstance(item, griffe.Class):
        bases = ", ".join(map(str, item.bases))
        made = constructor(item)
        called = [_wrapped(item.name, _parameters(made)[1:], "")] if made is not None and len(made.parameters) > 1 else []
        return "\n".join([*decorators, f"class {item.name}({bases})" if bases else f"class {item.name}", *called])
    if isinstance(item, griffe.Function):
        overloads = [_function(o, []) for o in item.overloads or []]
        return "\n\n".join([*overloads, _function(item, decorators)])
    annotation = getattr(item, "annotation", None)
    value = getattr(item, "value", None)
    if "property" in item.labels:
        return f"{item.name}: {annotation}" if annotation is not None else item.name
    text = f"{item.name}: {annotation}" if annotation is not None else item.name
    if value is None:
        return text
    shown = str(value)
    if SECRET_WORD.search(item.name) and shown[:1] in {"'", '"'}:
        shown = "…"
    return f"{text} = {shown if len(shown) <= _LONG else shown[:_LONG] + ' …'}"


def _function(item: griffe.Function, decorators: list[str]) -> str:
    returns = f" -> {item.returns}" if item.returns is not None else ""
    word = "async def" if "async" in item.labels else "def"
    return "\n".join([*decorators, _wrapped(f"{word} {item.name}", _parameters(item), returns)])


def _wrapped(head: str, parameters: list[str], returns: str) -> str:
    """Write a signature on one line, or a long one with a line for each parameter."""
    one = f"{head}({', '.join(parameters)}){returns}"
    return one if len(one) <= _WIDE else f"{head}(\n" + "".join(f"    {part},\n" for part in parameters) + f"){returns}"


def _parameters(item: griffe.Function) -> list[str]:
    """Write the parameters, with the bare ``*`` and ``/`` where they stand."""
    shown = []
    star = False
    parameters = list(item.parameters)
    for index, p in enumerate(parameters):
        kind = p.kind.value if p.kind else ""
        if kind == "keyword-only" and not star:
            shown.append("*")
            star = True
        prefix = {"variadic positional": "*", "variadic keyword": "**"}.get(kind, "")
        star = star or prefix == "*"
        text = prefix + p.name + (f": {p.annotation}" if p.annotation is not None else "")
        if p.default is not None and not prefix:
            text += f" = {p.default}" if p.annotation is not None else f"={p.default}"
        shown.append(text)
        following = parameters[index + 1].kind if index + 1 < len(parameters) else None
        if kind == "positional-only" and (following is None or following.value != "positional-only"):
            shown.append("/")
    return shown
