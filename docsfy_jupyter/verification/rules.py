"""What in a page can be looked up at all, and what belongs to the world rather than to the repository.

The rules are precise rather than eager: a reader who finds three false findings stops reading the list.
"""

from __future__ import annotations

import builtins
import keyword
import re
import sys
from importlib.resources import files


def _words(name: str) -> frozenset[str]:
    """Read one of the word lists beside this module."""
    lines = files(__package__).joinpath(name).read_text("utf-8").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))


FLAG = re.compile(r"(?<![\w-])--[A-Za-z][\w.-]*[A-Za-z0-9]")
VARIABLE = re.compile(r"\$?\{?([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\}?(?:=\S*)?")
PATH = re.compile(r"(?:\.{1,2}/)*[\w.@+-]+(?:/[\w.@+\[\]-]+)*/?")
NAME = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(\(.*\))?")
WEB = re.compile(r"://|^www\.|^mailto:|^[\w.+-]+@[\w.-]+|example\.(?:com|org|net)")
_SOURCE = "py pyi ipynb js mjs cjs ts tsx jsx vue go rs java kt rb php c cc cpp h hpp cs swift scala sh lua ex exs"
_OTHER = "toml yaml yml json md rst txt cfg ini css html xml csv sql lock proto tf env conf in"
SOURCE_SUFFIXES = frozenset(_SOURCE.split())
SUFFIXES = SOURCE_SUFFIXES | frozenset(_OTHER.split())
_HUMPS = re.compile(r"[A-Z]+[a-z0-9]+[A-Z]\w*|[a-z]+[a-z0-9]*[A-Z]\w*")
_STAND_IN = re.compile(
    r"(?:^|[_./\s-])(?:my|your|some|foo|bar|baz|qux|example|sample|placeholder|xxx|path/to|demo|name_of)(?:$|[_./\s-])"
    r"|^(?:My|Your|Some|Foo|Bar|Example|Sample)(?=[A-Z_]|$)|^(?:my|your|some)(?=[A-Z])",
)
_VARIABLES = re.compile(
    r"(?:PYTHON|PIP|UV|CONDA|GIT|GITHUB|GITLAB|CI|DOCKER|COMPOSE|AWS|AZURE|GOOGLE|GCP|GCLOUD|KUBE|XDG|LC|SSL|SSH|NODE|NPM|CUDA|OMP|"
    r"OPENAI|ANTHROPIC|GEMINI|HF|OTEL|JUPYTER|JUPYTERHUB|IPYTHON|VIRTUAL|LD|JAVA|RUST|CARGO|GO|DJANGO|FLASK|DATABASE|REDIS|"
    r"POSTGRES|PG|MYSQL|NO|HTTP|HTTPS|ALL|FORCE|SOURCE|TOX|PRE|PYTEST|COVERAGE|TWINE|SENTRY|CF|HEROKU)_[A-Z0-9_]+"
)
_PAST = re.compile(
    r"\b(?:renamed|removed?|removes|dropped|replaced|formerly|previously|no longer|used to be|breaking)\b", re.IGNORECASE
)
_TOOLS = _words("tools.txt")
_WORLD = _words("world.txt")
_ANYWHERE = _words("anywhere.txt")
_EVERYWHERE = frozenset({"--help", "--version", "--no-help"})


def is_stand_in(text: str) -> bool:
    """Say whether a text stands for what a reader puts there."""
    return bool(_STAND_IN.search(text)) or "path/to" in text or any(mark in text for mark in "<>{}…*|\\%") or "..." in text


def is_common(name: str) -> bool:
    """Say whether a single name belongs to the language, or to the world at large."""
    common = keyword.iskeyword(name) or hasattr(builtins, name) or name in sys.stdlib_module_names
    return common or name in _WORLD or bool(re.match(r"Py[A-Z]", name)) or (name.startswith("__") and name.endswith("__"))


def is_telling(name: str, *, called: bool) -> bool:
    """Say whether a single name can only be a name: a word of prose in a code span is no mention of anything."""
    shaped = "_" in name.strip("_") or bool(_HUMPS.fullmatch(name))
    return len(name) >= 4 and (shaped or called)


def is_common_variable(name: str) -> bool:
    """Say whether an environment variable belongs to a tool that everybody knows."""
    return bool(_VARIABLES.fullmatch(name)) or is_stand_in(name.lower())


def is_common_flag(flag: str) -> bool:
    """Say whether every program has an option, or it stands for one."""
    return flag in _EVERYWHERE or is_stand_in(flag.lstrip("-")) or flag in {"--flag", "--option", "--flags", "--options"}


def speaks_of_others(text: str, dependencies: frozenset[str]) -> bool:
    """Say whether a paragraph is about another program or library, whose names and options it may then mention."""
    words = {word.lower() for word in re.findall(r"[A-Za-z][\w-]*", text)}
    return bool(words & _TOOLS) or bool(words & dependencies) or bool(WEB.search(text))


def speaks_of_the_past(text: str) -> bool:
    """Say whether a paragraph is about what was: a changelog names what is not there any more."""
    return bool(_PAST.search(text))


def is_file_name(path: str) -> bool:
    """Say whether a path can be nothing else: a source file's name, or a file in a folder."""
    ending = suffix(path)
    if "/" in path.strip("/"):
        return ending in SUFFIXES
    return ending in SOURCE_SUFFIXES and ending not in {"h", "hpp", "r", "ex", "lua"} and path not in _ANYWHERE


def suffix(path: str) -> str:
    """Return the part behind the last dot of a path's last part, in lower case."""
    last = path.rstrip("/").rpartition("/")[2]
    return last.rpartition(".")[2].lower() if "." in last.strip(".") else ""
