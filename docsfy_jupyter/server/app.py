"""The Jupyter server extension: traits, routes, start and stop."""

from __future__ import annotations

import asyncio
import gc
import getpass
import hashlib
import os
import platform
import secrets
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_data_dir
from jupyter_server.extension.application import ExtensionApp
from tornado.ioloop import PeriodicCallback
from traitlets import Bool, Dict, Float, Int, List, TraitError, Unicode, default, validate

from docsfy_jupyter.generation.manager import Manager
from docsfy_jupyter.generation.settings import Settings
from docsfy_jupyter.models import Variant, utc_now
from docsfy_jupyter.providers.base import Provider, ProviderOptions
from docsfy_jupyter.providers.prices import Prices, load_prices
from docsfy_jupyter.providers.registry import ProviderRegistry
from docsfy_jupyter.server.base import LISTING_SETTING, MANAGER_SETTING, SECRET_SETTING, SERVER_ID_SETTING
from docsfy_jupyter.server.batches import BATCHES_SETTING, Batches
from docsfy_jupyter.server.listing import Listing
from docsfy_jupyter.server.openapi import ROUTES_SETTING
from docsfy_jupyter.server.quiet import ASKED_SETTING, Asked
from docsfy_jupyter.server.routes import ROUTES, rules
from docsfy_jupyter.server.status_events import StatusEvents
from docsfy_jupyter.sources.rules import SourcePolicy

URL_VARIABLE = "DOCSFY_JUPYTER_URL"
_ACTIVITY_PERIOD = 2000  # milliseconds
_OPENAI = {"base_url": "https://api.openai.com/v1", "key_env": "OPENAI_API_KEY"}
TOKEN_VARIABLE = "DOCSFY_JUPYTER_TOKEN"  # noqa: S105  the name of a variable, not a secret


def _server_id(data_dir: Path) -> str:
    """Return a name for this installation that says nothing of it and stays the same over restarts."""
    return hashlib.sha256(f"{platform.node()}\n{data_dir.absolute()}".encode()).hexdigest()[:16]


class DocsfyApp(ExtensionApp):
    """Documentation sites for repositories, generated inside the Jupyter server."""

    name = "docsfy_jupyter"
    app_name = "docsfy"
    extension_url = "/docsfy/"
    load_other_extensions = True

    data_dir = Unicode(
        config=True,
        help=(
            "Folder of the database, the page caches and the sites. "
            "Must be on a local disk that can lock files; is made with mode 0700."
        ),
    )
    default_provider = Unicode(
        "local", config=True, help="Provider of a request that names none. 'local' needs no key and no network."
    )
    default_model = Unicode("", config=True, help="Model of a request that names none; empty: the provider's own default.")
    max_concurrent_generations = Int(4, min=1, config=True, help="Runs that work at once; the others wait in stage 'queued'.")
    max_concurrent_pages = Int(5, min=1, config=True, help="Pages that one run generates at once.")
    max_concurrent_by_provider = Dict(
        value_trait=Int(min=1),
        key_trait=Unicode(),
        config=True,
        help="How many of the runs that work at once may be of one provider: {'claude': 1}. The queue passes others by.",
    )
    provider_timeout = Float(600.0, min=1.0, config=True, help="Seconds that one call of a provider may take.")
    abort_patience = Float(
        5.0, min=0.0, config=True, help="Seconds until an abort answers that it is still in progress; it goes on all the same."
    )
    keep_events_days = Int(
        0,
        min=0,
        config=True,
        help="Days that the events and page records of ended runs are kept; 0 is for ever. Runs and their costs always stay.",
    )
    max_cost_usd_per_day = Float(
        None,
        allow_none=True,
        min=0.0,
        config=True,
        help=(
            "US dollars that the AI calls of all runs may cost in a day (UTC), as far as their cost is known. No new page begins "
            "beyond it; what cannot be priced is refused. No limit when not set."
        ),
    )
    clone_timeout = Float(600.0, min=1.0, config=True, help="Seconds that a clone may take.")
    max_clone_bytes = Int(2 * 1024**3, min=1024, config=True, help="Bytes that a clone may take on disk.")
    allowed_url_schemes = List(
        Unicode(), default_value=["https"], config=True, help="Schemes of repo_url that are allowed: https, ssh, http, git."
    )
    allow_private_hosts = Bool(False, config=True, help="Whether repo_url may lead to loopback, private or link-local addresses.")
    allow_local_paths = Bool(True, config=True, help="Whether repo_path may name a repository on the server's disk.")
    command_providers = Dict(
        value_trait=List(Unicode()),
        key_trait=Unicode(),
        config=True,
        help=(
            "Programs as providers: name → argv. The program gets the prompt on stdin, DOCSFY_PURPOSE (plan or page), "
            "DOCSFY_MODEL and DOCSFY_SLUG in its environment, and prints plan JSON or Markdown. It runs as the server's user."
        ),
    )

    openai_servers = Dict(
        value_trait=Dict(),
        key_trait=Unicode(),
        config=True,
        help=(
            "Servers that speak OpenAI's protocol, as providers beside OpenAI's own, which is 'openai': "
            "name → {'base_url': 'http://localhost:11434/v1', 'key_env': the NAME of the variable with the key, "
            "'models': [...], 'default_model': ..., 'prices': {model: [USD for a million tokens in, out]}, "
            "'max_input_tokens': 24000, 'headers': {...}, 'query': {...}}."
        ),
    )
    prices_file = Unicode(
        "",
        config=True,
        help=(
            'A TOML file of prices that wins over the package\'s, model by model: [provider."model or pattern"] with input, '
            "output and maybe cached, each US dollars for a million tokens. A faulty one makes every computed cost unknown."
        ),
    )
    max_concurrent_ai_calls = Int(8, min=1, config=True, help="Calls at once to one AI server, of all runs together.")

    env_passthrough = List(
        Unicode(),
        config=True,
        help=(
            "Names of environment variables that providers' programs get besides PATH, HOME, locale, proxies and their own keys: "
            "['CLAUDE_CODE_USE_BEDROCK', 'AWS_PROFILE', 'AWS_REGION'], say. Jupyter's own names are never passed on."
        ),
    )

    _activity: PeriodicCallback | None = None
    _settling: asyncio.Task[None] | None = None

    @default("data_dir")
    def _default_data_dir(self) -> str:
        return str(Path(jupyter_data_dir()) / "docsfy_jupyter")

    @validate("command_providers")
    def _check_commands(self, proposal: dict[str, Any]) -> dict[str, list[str]]:
        value: dict[str, list[str]] = proposal["value"]
        for name, argv in value.items():
            if not argv or "/" in name:
                raise TraitError(f"DocsfyApp.command_providers[{name!r}] needs a program and a name without '/'")
        return value

    def initialize_settings(self) -> None:
        """Build the manager; nothing runs yet, since there is no loop and no port."""
        policy = SourcePolicy(
            allowed_schemes=tuple(self.allowed_url_schemes),
            allow_private_hosts=self.allow_private_hosts,
            allow_local_paths=self.allow_local_paths,
            clone_timeout=self.clone_timeout,
            max_clone_bytes=self.max_clone_bytes,
        )
        options = Settings(
            data_dir=Path(self.data_dir).expanduser(),
            default_provider=self.default_provider,
            default_model=self.default_model,
            max_concurrent_generations=self.max_concurrent_generations,
            max_concurrent_pages=self.max_concurrent_pages,
            generations_by_provider=dict(self.max_concurrent_by_provider),
            call_timeout=self.provider_timeout,
            keep_events_days=self.keep_events_days,
            max_cost_usd_per_day=self.max_cost_usd_per_day,
            abort_patience=self.abort_patience,
            policy=policy,
        )
        self._options = options
        for name in (URL_VARIABLE, TOKEN_VARIABLE):
            # A variable that is new makes the C library move all of them, and a thread that reads one meanwhile (to look up a
            # host, to tell the time) crashes the server. There are no threads yet, and no port: its place is taken now.
            os.environ.setdefault(name, "")
        hub_user = os.environ.get("JUPYTERHUB_USER")
        self.settings.update(
            {
                SECRET_SETTING: secrets.token_urlsafe(32),
                ROUTES_SETTING: ROUTES,
                SERVER_ID_SETTING: _server_id(options.data_dir),
                "docsfy_owner": hub_user or getpass.getuser(),
                "docsfy_hub": bool(hub_user),
            }
        )
        wanted = ProviderOptions(tuple(self.env_passthrough), self.max_concurrent_ai_calls, self._prices())
        providers = ProviderRegistry(dict(self.command_providers), self._makers(), wanted)
        self.settings[MANAGER_SETTING] = Manager(options, providers, self.log)
        self.settings[BATCHES_SETTING] = Batches(self.manager)
        self.settings[LISTING_SETTING] = Listing(self.manager.feed)
        self.settings[ASKED_SETTING] = Asked()

    def initialize_handlers(self) -> None:
        """Register the routes."""
        self.handlers.extend(rules())

    def _prices(self) -> Prices:
        """Read the prices, before there is a loop to block."""
        prices = load_prices(Path(self.prices_file).expanduser() if self.prices_file else None)
        if prices.fault:
            self.log.error(
                "DocsfyApp.prices_file: %s No price is known until that is mended and Jupyter restarted.", prices.fault
            )
        return prices

    def _makers(self) -> dict[str, Callable[[], Provider]]:
        """Return what makes the providers that traits describe; their modules are loaded on first use."""

        def maker(name: str, options: dict[str, Any]) -> Provider:
            server = import_module("docsfy_jupyter.providers.ai.openai_server").server_of(name, options)
            module = import_module("docsfy_jupyter.providers.ai.openai")
            provider: Provider = module.OpenAIProvider(name, server, self.max_concurrent_ai_calls)
            return provider

        servers = {"openai": _OPENAI, **self.openai_servers}
        return {name: partial(maker, name, dict(options)) for name, options in servers.items()}

    @property
    def manager(self) -> Manager:
        """The owner of all state."""
        manager: Manager = self.settings[MANAGER_SETTING]
        return manager

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        """Begin once the server listens: recover, and tell kernels where we are."""
        loopback = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  tornado's "::" takes no IPv4
        host = loopback.get(serverapp.ip, serverapp.ip)
        host = f"[{host}]" if ":" in host else host
        scheme = "https" if serverapp.certfile else "http"
        if not serverapp.sock:
            os.environ[URL_VARIABLE] = f"{scheme}://{host}:{serverapp.port}{serverapp.base_url}docsfy"
            os.environ[TOKEN_VARIABLE] = self.settings[SECRET_SETTING]
        events = StatusEvents(serverapp.event_logger, self.log)

        def began_or_ended(row: Variant) -> None:
            self._note_activity()
            events.emit(row)

        self.manager.feed.on_status = began_or_ended
        await self.manager.start()
        self._settling = asyncio.create_task(self._settle_memory())
        self._activity = PeriodicCallback(self._note_while_active, _ACTIVITY_PERIOD)
        self._activity.start()

    async def stop_extension(self) -> None:
        """End runs and close the store, in time."""
        if os.environ.get(TOKEN_VARIABLE) == self.settings.get(SECRET_SETTING):
            os.environ.pop(TOKEN_VARIABLE, None)
            os.environ.pop(URL_VARIABLE, None)
        if self._activity is not None:
            self._activity.stop()
        if self._settling is not None:
            self._settling.cancel()
            gc.unfreeze()
        try:
            async with asyncio.timeout(15):
                await self.manager.stop()
        except Exception:
            self.log.exception("docsfy_jupyter: the stop did not end cleanly")

    async def _settle_memory(self) -> None:
        """Take what is there for good (modules, and the rows once they are loaded) out of every later search for cyclic garbage.

        Such a search looks at all objects of the process and holds its event loop meanwhile: a tenth of a second, several
        times a minute where many panels poll. What is taken out is freed as ever when nothing refers to it any more; only
        cycles that it comes to be part of stay until the extension stops.
        """
        await self.manager.opened.wait()
        gc.collect(1)  # young garbage; of the old there are some hundred objects, and to look for them takes as long as our start
        gc.freeze()

    def current_activity(self) -> dict[str, int] | None:
        """Tell Jupyter how many runs are in progress."""
        return {"generations": self.manager.active} if self.manager.active else None

    def _note_while_active(self) -> None:
        if self.manager.active:
            self._note_activity()

    def _note_activity(self) -> None:
        """Keep the idle culler away while something runs, and for its time from a run's end: work in the loop does not count."""
        self.settings["last_activity_times"]["docsfy_jupyter"] = utc_now()
