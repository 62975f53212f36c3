"""What models cost: the table of the package, and the user's own file, which wins model by model."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from docsfy_jupyter.models import safe_text

OWN_TABLE = Path(__file__).parent / "ai" / "prices.toml"
_SNAPSHOT = re.compile(r"-(?:\d{8}|\d{4}-\d{2}-\d{2})$")
_FIELDS = ("input", "output", "cached")
_ABOVE = "above"
_SHAPE = '[provider."model"] with input, output and maybe cached, each US dollars for a million tokens, and maybe above'


class PricesFaulty(ValueError):
    """A file of prices cannot be used; the message says where and why."""


@dataclass(frozen=True)
class Price:
    """What a model asks for.

    Parameters
    ----------
    input, output : float
        US dollars for a million tokens.
    cached : float or None
        The same for tokens of the input that the service has cached; None: as `input`.
    above : Above or None
        Another price of long prompts; None: every prompt has this one.
    """

    input: float
    output: float
    cached: float | None = None
    above: Above | None = None

    @property
    def zero(self) -> bool:
        """Whether it costs nothing, however many tokens there are."""
        return not (self.input or self.output or self.cached) and (self.above is None or self.above.price.zero)

    def of(
        self, tokens_in: int | None, tokens_out: int | None, tokens_cached: int | None = None, prompts: int | None = None
    ) -> float | None:
        """Return US dollars; None where the tokens are not known.

        Parameters
        ----------
        tokens_in, tokens_out : int or None
            What was read, cached tokens with it, and what was written.
        tokens_cached : int or None
            How many of those read were cached; None: none.
        prompts : int or None
            How many prompts that was together: how long one is decides about `above`. None: nobody knows, and they are
            taken for short ones.
        """
        if self.zero:
            return 0.0
        if tokens_in is None or tokens_out is None:
            return None
        if self.above is not None and prompts and tokens_in / prompts > self.above.tokens:
            return self.above.price.of(tokens_in, tokens_out, tokens_cached, prompts)
        cached = min(tokens_cached or 0, tokens_in)
        less = self.input if self.cached is None else self.cached
        return ((tokens_in - cached) * self.input + cached * less + tokens_out * self.output) / 1_000_000


@dataclass(frozen=True)
class Above:
    """What a model asks for prompts of more than so many tokens, all of them, not only those beyond."""

    tokens: int
    price: Price


Table = Mapping[str, Mapping[str, Price]]


@dataclass(frozen=True)
class Prices:
    """The prices of one server.

    Parameters
    ----------
    own : mapping
        Of the package: service → model → price.
    users : mapping
        Of the user's file: provider → model or pattern → price.
    fault : str or None
        Why the user's file cannot be used. Then no price is known: the package's would not be those that the user meant.
    """

    own: Table = field(default_factory=dict)
    users: Table = field(default_factory=dict)
    fault: str | None = None

    def find(self, provider: str, model: str, service: str | None) -> Price | None:
        """Return a price.

        Parameters
        ----------
        provider : str
            Name of the provider; what the user's file says of it wins.
        model : str
            As the request names it.
        service : str or None
            Section of the package's table that it is a customer of, None where that is not known.
        """
        found = _match(self.users.get(provider, {}), model)
        return found or (_match(self.own.get(service, {}), model) if service else None)


def load_prices(path: Path | None) -> Prices:
    """Read the package's table and the user's file; blocks.

    Parameters
    ----------
    path : Path or None
        Trait ``DocsfyApp.prices_file``.

    Returns
    -------
    Prices
        With a `Prices.fault` where the user's file is missing or faulty.
    """
    try:
        return Prices(read_prices(OWN_TABLE), read_prices(path) if path else {})
    except PricesFaulty as error:
        return Prices(fault=str(error))


def read_prices(path: Path) -> Table:
    """Read a file of prices.

    Raises
    ------
    PricesFaulty
        It cannot be read, is no TOML (the line is named) or says something else than prices (the key is named).
    """
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise PricesFaulty(f"{path} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError as error:
        raise PricesFaulty(f"{path} is not UTF-8 text (byte {error.start}).") from None
    except tomllib.TOMLDecodeError as error:
        raise PricesFaulty(f"{path} is not TOML: {error}.") from None
    data.pop("date", None)
    return {name: _section(path, name, models) for name, models in data.items()}


def _section(path: Path, provider: str, models: Any) -> dict[str, Price]:
    if not isinstance(models, dict):
        raise PricesFaulty(f"{path}: {safe_text(provider)} stands alone; write {_SHAPE}.")
    return {model: _price(f'{path}: [{safe_text(provider)}."{safe_text(model)}"]', entry) for model, entry in models.items()}


def _price(place: str, entry: Any) -> Price:
    if not isinstance(entry, dict):
        raise PricesFaulty(f"{place} is not a table (a model with a dot in its name needs quotes); write {_SHAPE}.")
    entry = dict(entry)
    above = _above(place, entry.pop(_ABOVE)) if _ABOVE in entry else None
    for name, value in entry.items():
        if name not in _FIELDS:
            raise PricesFaulty(f"{place} {safe_text(name)} is not known; there are {', '.join((*_FIELDS, _ABOVE))}.")
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < float("inf"):
            raise PricesFaulty(f"{place} {name} is not a number of US dollars: {safe_text(repr(value)[:60])}.")
    for name in ("input", "output"):
        if name not in entry:
            raise PricesFaulty(f"{place} {name} is missing.")
    return Price(**{name: float(value) for name, value in entry.items()}, above=above)


def _above(place: str, entry: Any) -> Above:
    tokens = entry.get("tokens") if isinstance(entry, dict) else None
    if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 1:
        raise PricesFaulty(f"{place} {_ABOVE} needs tokens, a whole number: what a prompt has more than, and input and output.")
    return Above(tokens, _price(f"{place} {_ABOVE}", {name: value for name, value in entry.items() if name != "tokens"}))


def _match(models: Mapping[str, Price], model: str) -> Price | None:
    """Find a model: by its name, as the snapshot of one, or by the longest pattern that fits."""
    for name in (model, _SNAPSHOT.sub("", model)):
        if name in models:
            return models[name]
    fitting = [pattern for pattern in models if fnmatchcase(model, pattern)]
    return models[max(fitting, key=len)] if fitting else None
