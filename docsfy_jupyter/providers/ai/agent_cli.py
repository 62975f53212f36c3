"""Agents with a command line as providers: one child process a call, in the clone, where the agent reads files by itself.

The prompt goes in on stdin and one JSON envelope comes out. What differs between vendors is data: `AgentCliProvider`'s
attributes, and `read`, which knows the envelope.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from abc import abstractmethod
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from docsfy_jupyter.errors import BadRequest, ChildError, ChildNotStarted, ProviderFailed
from docsfy_jupyter.generation.process import ChildResult, child_environment
from docsfy_jupyter.models import TrackedFile, clean_text, safe_text
from docsfy_jupyter.providers.ai.answers import failure_of
from docsfy_jupyter.providers.ai.gate import Gate, retry_after
from docsfy_jupyter.providers.ai.session import AskingSession
from docsfy_jupyter.providers.ai.steering import Steering, read_steering
from docsfy_jupyter.providers.base import Provider, ProviderSession, RunContext, Usage
from docsfy_jupyter.providers.local.files import is_secret
from docsfy_jupyter.providers.programs import find_program

MODEL = "{model}"  # stands in `arguments` where the model's id goes
_UNKNOWN_OPTION = re.compile(r"unknown (?:option|argument)", re.IGNORECASE)
_BUSY = (429, 503, 529)
_NAMED = 10  # files in a line of the log
_TURNS, _OWN_PROMPT, _READ = 4, 12_000, 10_000  # rough: of one call; tokens
_LAST_LINES = 20  # looked at from the end for an envelope among warnings


@dataclass(frozen=True)
class Reply:
    """What an envelope says: an answer or a failure with its HTTP status, and what it cost in either case."""

    text: str
    usage: Usage = field(default_factory=Usage)
    failure: ProviderFailed | None = None
    status: int | None = None


class AgentCliProvider(Provider):
    """A vendor's program.

    Attributes
    ----------
    programs : tuple of str
        Its names, the preferred one first.
    arguments : tuple of str
        What follows the program; `MODEL` is replaced by the model's id, which stays one argument.
    variables : tuple of str
        Names that the program needs of the server's environment, beyond what every child gets.
    fixed : mapping of str to str
        Variables that are set for it; one that the administrator passes through wins.
    set_aside : tuple of str
        Files and folders at the clone's root that would steer the program and are removed before it starts: a repository
        must not run commands here, nor send the key elsewhere.
    install : str
        How to get it.
    suggested : tuple of str
        Models.
    patience : int
        Calls in place of one while the vendor is busy, beyond what the program tries by itself.
    first_pause : float
        Seconds before the second of them; then twice as long each time, at most a minute.
    billed_by : tuple of str
        Variables any of which puts every call on a bill; without them the user's subscription pays.
    """

    programs: ClassVar[tuple[str, ...]]
    arguments: ClassVar[tuple[str, ...]]
    variables: ClassVar[tuple[str, ...]] = ()
    fixed: ClassVar[Mapping[str, str]] = {}
    set_aside: ClassVar[tuple[str, ...]] = ()
    install: ClassVar[str]
    suggested: ClassVar[tuple[str, ...]]
    patience: ClassVar[int] = 8
    first_pause: ClassVar[float] = 1.0
    billed_by: ClassVar[tuple[str, ...]] = ()
    counts_tokens = True

    def __init__(self) -> None:
        self._gate: Gate | None = None

    @abstractmethod
    def read(self, envelope: Mapping[str, Any], env: Mapping[str, str]) -> Reply:
        """Return what an envelope says; `env` tells how the program was logged in."""

    def check(self, model: str) -> None:
        """Look the program up; start nothing."""
        if model.startswith("-"):
            raise BadRequest(f"The model {model!r} begins with '-': {self.name} would take it for an option.")
        self.program()

    def program(self) -> str:
        """Return the program's file.

        Raises
        ------
        ProviderUnavailable
        """
        return find_program(self.programs, child_environment()["PATH"], self.install)

    def tokens_shown(self, repository: int) -> int:
        """Guess: the program's own prompt and what it has read so far are read again in each of a few turns."""
        return _TURNS * (_OWN_PROMPT + min(repository, _READ))

    def models(self) -> list[dict[str, str]]:
        """Return the suggested models."""
        return [{"id": model, "name": model} for model in self.suggested]

    def argv(self, program: str, model: str) -> list[str]:
        """Return the whole command."""
        return [program, *(model if argument == MODEL else argument for argument in self.arguments)]

    def environment(self) -> dict[str, str]:
        """Return the whole environment of the program."""
        env = child_environment(passthrough=(*self.variables, *self.options.env_passthrough))
        return {**self.fixed, **env}

    def on_bill(self, env: Mapping[str, str]) -> bool:
        """Say whether calls made in an environment are on a bill; else a subscription pays them."""
        return any(env.get(name) for name in self.billed_by)

    def priced(self, model: str, usage: Usage) -> Usage:
        """Compute the cost; it is notional where a subscription pays."""
        known = super().priced(model, usage)
        if known is usage or self.on_bill(self.environment()):
            return known
        return replace(known, basis="notional")

    def open(self, context: RunContext) -> AbstractAsyncContextManager[ProviderSession]:
        """Open a session; nothing is held between calls."""
        return self._opened(context)

    @asynccontextmanager
    async def _opened(self, context: RunContext) -> AsyncIterator[ProviderSession]:
        if self._gate is None:
            self._gate = Gate(self.options.max_concurrent_calls)
        steering = await asyncio.to_thread(read_steering, context.checkout, context.files)
        removed = await asyncio.to_thread(_remove, context.checkout, (*self.set_aside, *_hidden(context.files, steering)))
        if removed:
            shown = ", ".join(map(clean_text, removed[:_NAMED]))
            more = f" and {len(removed) - _NAMED} more" if len(removed) > _NAMED else ""
            context.log("set_aside", f"Kept from {self.name} (secret, excluded, or orders to it): {shown}{more}")
        # looked up once a run: both take a look at every variable, the program at every folder of the PATH
        program, env = await asyncio.to_thread(self.program), self.environment()
        yield AgentCliSession(self, self._gate, context, steering, self.argv(program, context.model), env)


class AgentCliSession(AskingSession):
    """One run's calls of the program, each a child process of its own."""

    def __init__(
        self,
        provider: AgentCliProvider,
        gate: Gate,
        context: RunContext,
        steering: Steering,
        argv: Sequence[str],
        env: Mapping[str, str],
    ) -> None:
        super().__init__(context, steering)
        self._provider, self._gate = provider, gate
        self._argv, self._env = argv, env

    async def _asked(self, prompt: str, *, structured: bool = False) -> tuple[str, Usage]:
        """Make one call, and again while the vendor is busy: all runs wait meanwhile."""
        provider, spent = self._provider, Usage()
        for number in range(1, provider.patience + 1):
            async with self._gate.passed():
                reply = self._read(await self._run(prompt))
            spent = spent.plus(reply.usage)
            if reply.failure is None:
                return reply.text, spent
            if reply.status not in _BUSY or reply.failure.fatal or number == provider.patience:
                reply.failure.details["usage"] = spent
                raise reply.failure
            seconds = self._gate.pause(provider.first_pause * retry_after(None, number))
            self._context.log("provider_pause", f"{provider.name}: {reply.failure.message}; all calls wait {seconds:.0f} s")
        raise AssertionError("unreachable")

    def _read(self, result: ChildResult) -> Reply:
        stdout, stderr = result.stdout.decode("utf-8", "replace"), result.stderr
        # gemini puts the envelope of an error on stderr, below its own log
        envelope = envelope_of(stdout) or envelope_of(stderr)
        said = " ".join(safe_text(stderr).split())[-300:]
        if envelope is None:
            said = said or " ".join(stdout[:300].split())
            return Reply("", failure=_without_envelope(self._provider.name, result.returncode, said))
        reply = self._provider.read(envelope, self._env)
        if reply.failure is None and result.returncode != 0:
            failure = failure_of(reply.text[-300:] or f"exit code {result.returncode}: {said}")
            return Reply("", reply.usage, failure)
        return reply

    async def _run(self, prompt: str) -> ChildResult:
        context = self._context
        try:
            return await context.processes.run(
                self._argv,
                stdin=prompt.encode("utf-8", "replace"),
                cwd=context.checkout,
                env=self._env,
                timeout=context.call_timeout,
            )
        except ChildError as error:
            # not transient: what did not fit into the time limit once is paid again for nothing
            begun = not isinstance(error, ChildNotStarted)
            raise ProviderFailed(error.message, fatal=not begun, cut_off=begun) from error


def envelope_of(output: str) -> dict[str, Any] | None:
    """Return the JSON object that a program printed, on its own, as the last of a list, or among lines of warnings.

    Parameters
    ----------
    output : str
        What it printed; where there is more than the envelope, that begins a line.
    """
    text = output.strip()
    lines = text.split("\n")
    starts = [number for number, line in enumerate(lines) if line.startswith(("{", "["))]
    tails = ["\n".join(lines[start:]) for start in dict.fromkeys((*starts[:1], *starts[-1:]))]
    for candidate in (text, *tails, *(lines[start] for start in reversed(starts[-_LAST_LINES:]))):
        try:
            value = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        # claude prints a list of messages where its user has set "verbose"
        value = value[-1] if isinstance(value, list) and value else value
        if isinstance(value, dict):
            return value
    return None


def count(value: object) -> int | None:
    """Return a number of tokens, None for anything that is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def total(*values: object) -> int | None:
    """Return the sum of the numbers of tokens among some values, None where there is none."""
    known = [number for value in values if (number := count(value)) is not None]
    return sum(known) if known else None


def _without_envelope(name: str, code: int, said: str) -> ProviderFailed:
    """Return what it means that no envelope came: the program's own sentence, and another try unless that is hopeless."""
    if code == 0:
        text = f"{name} printed no answer{': ' + said if said else ''}"
    else:
        text = f"exit code {code}{': ' + said if said else ''}"
    if _UNKNOWN_OPTION.search(said):
        return ProviderFailed(f"{text} (is this {name} too old? A newer version knows the option.)", fatal=True)
    failure = failure_of(text)
    return failure if failure.fatal else ProviderFailed(failure.message, transient=True, cut_off=True)


def _hidden(files: Sequence[TrackedFile], steering: Steering) -> list[str]:
    """Return the paths that the agent, which can read the whole clone, must not find there."""
    shown = {file.path for file in steering.shown(files)}
    return [file.path for file in files if file.path not in shown or is_secret(file.path)]


def _remove(checkout: Path, names: Iterable[str]) -> list[str]:
    """Remove files or folders from the run's own clone; return the names of those that were there."""
    removed = []
    for name in names:
        path = checkout / name
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.is_dir():
            shutil.rmtree(path)
        else:
            continue
        removed.append(name)
    return removed
