"""The providers of one server: entry points and the administrator's command providers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from docsfy_jupyter.errors import DocsfyError, ProviderUnavailable
from docsfy_jupyter.providers.base import Provider, ProviderOptions
from docsfy_jupyter.providers.command import CommandProvider

T = TypeVar("T")

ENTRY_POINT_GROUP = "docsfy_jupyter.providers"


class ProviderRegistry:
    """Looks providers up by name; a broken plug-in is unavailable with its reason and stops nothing.

    Parameters
    ----------
    commands : mapping of str to sequence of str
        Trait ``DocsfyApp.command_providers``: provider name → argv.
    makers : mapping of str to callable
        Providers that other traits describe: name → what makes it, called on first use.
    options : ProviderOptions, optional
        Given to each.
    """

    def __init__(
        self,
        commands: Mapping[str, Sequence[str]],
        makers: Mapping[str, Callable[[], Provider]] | None = None,
        options: ProviderOptions | None = None,
    ) -> None:
        self._options = options or ProviderOptions()
        self._makers = dict(makers or {})
        self._commands = {name: tuple(argv) for name, argv in commands.items()}
        self._points: dict[str, EntryPoint] = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
        self._loaded: dict[str, Provider] = {}

    def names(self) -> list[str]:
        """Return every provider's name, sorted."""
        return sorted({*self._commands, *self._makers, *self._points})

    def get(self, name: str) -> Provider:
        """Return a provider.

        Raises
        ------
        ProviderUnavailable
            It is unknown, or its plug-in cannot be loaded.
        """
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def _load(self, name: str) -> Provider:
        maker = self._makers.get(name) or (partial(self._plugged_in, name) if name in self._points else None)
        if name in self._commands:
            maker = partial(CommandProvider, name, self._commands[name])
        if maker is None:
            raise ProviderUnavailable(f"There is no provider {name!r} on this server; it has: {', '.join(self.names())}.")
        try:
            provider = maker()
        except DocsfyError:
            raise
        except (Exception, SystemExit) as error:
            raise ProviderUnavailable(f"The provider {name!r} cannot be loaded: {type(error).__name__}: {error}") from error
        if not isinstance(provider, Provider):
            raise ProviderUnavailable(f"The plug-in of provider {name!r} is not a docsfy_jupyter Provider.")
        if not isinstance(getattr(provider, "default_model", None), str):
            raise ProviderUnavailable(f"The plug-in of provider {name!r} has no default_model.")
        provider.name = name  # as requests and rows have it, whatever the plug-in calls itself
        provider.options = self._options
        return provider

    def _plugged_in(self, name: str) -> Provider:
        provider: Provider = self._points[name].load()()
        return provider

    def check(self, provider: Provider, model: str) -> None:
        """Ask a provider whether a run could start now.

        Raises
        ------
        ProviderUnavailable
            With its reason; what a plug-in raises otherwise is one too.
        """
        _told(provider, lambda: provider.check(model))

    def describe(self, defaults: Mapping[str, str] | None = None, *, probe: bool = False) -> dict[str, Any]:
        """Return names, models and availability as ``GET api/models`` answers them.

        Parameters
        ----------
        defaults : mapping of str to str, optional
            Models that this server takes where a request names none, by provider; the provider's own otherwise.
        probe : bool
            Try what the providers talk to, too: blocks for seconds.
        """
        models: dict[str, list[dict[str, str]]] = {}
        states: dict[str, dict[str, Any]] = {}
        for name in self.names():
            model: str | None = None
            try:
                provider = self.get(name)
                model = (defaults or {}).get(name) or provider.default_model
                models[name] = _told(provider, provider.models)
                self.check(provider, model)
                silent = _told(provider, provider.not_reached) if probe else None
                states[name] = {"available": silent is None, "reason": silent and f"not reached: {silent}", "model": model}
            except DocsfyError as error:
                models.setdefault(name, [])
                states[name] = {"available": False, "reason": error.message, "model": model}
        return {"providers": self.names(), "available_models": models, "provider_status": states}


def _told(provider: Provider, ask: Callable[[], T]) -> T:
    """Ask a provider something about itself; a plug-in that breaks over it is not available."""
    try:
        return ask()
    except DocsfyError:
        raise
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {error}"
        raise ProviderUnavailable(f"The provider {provider.name!r} cannot say whether it is available: {said}") from error
