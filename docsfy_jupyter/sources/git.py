"""How git is run: hardened, without a terminal, with the user's own way to log in, and never with a secret in its arguments."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psutil

from docsfy_jupyter.errors import ChildTimeout, SourceFailed
from docsfy_jupyter.generation.killing import descendants, living_members
from docsfy_jupyter.generation.process import ChildResult, Processes, child_environment
from docsfy_jupyter.sources.hosts import verify_host
from docsfy_jupyter.sources.rules import Source, SourcePolicy

_PASSTHROUGH = (
    *("SSH_AUTH_SOCK", "SSH_AGENT_PID", "GIT_SSH", "GIT_SSL_CERT", "GIT_SSL_KEY", "GIT_SSL_NO_VERIFY", "KRB5CCNAME"),
    *("GIT_CONFIG_GLOBAL", "GIT_EXEC_PATH", "GNUPGHOME", "DBUS_SESSION_BUS_ADDRESS"),
)
_USER, _PASSWORD = "DOCSFY_GIT_USERNAME", "DOCSFY_GIT_PASSWORD"
_LOOK_EVERY = 0.5  # seconds
# git runs this as a shell function; the values stay in the environment
_HELPER = f"""!f() {{ test "$1" = get || exit 0; printf 'username=%s\\npassword=%s\\n' "${_USER}" "${_PASSWORD}"; }}; f"""
_MOVED = re.compile(r"redirect|returned error: 30\d")
# ssh's own words have no prefix; without them git's last line says nothing
_TELLING = re.compile(r"(fatal|error|ssh|remote|warning: Clone succeeded)|.*(Permission denied|Host key verification)")
_URL_USER = re.compile(r"://[^/@\s']+@")
_LOGIN = re.compile(
    r"terminal prompts disabled|could not read (Username|Password)|Authentication failed|Permission denied \(|"
    r"Host key verification failed|returned error: 40[13]|Invalid username or (password|token)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Git:
    """git for one source: its options, its environment and what must not be shown.

    Parameters
    ----------
    command : str
        The program.
    url : str
        What git gets as the address; credentials removed for http and https.
    env : mapping
        The environment, with credentials.
    options : tuple of str
        What comes before the verb.
    secrets : tuple of str
        Never to be shown.
    processes : Processes
        Who starts it.
    addresses : tuple of str
        Those of the host that were found good, where they were looked up.
    """

    command: str
    url: str
    env: Mapping[str, str]
    options: tuple[str, ...]
    secrets: tuple[str, ...]
    processes: Processes
    addresses: tuple[str, ...] = ()

    async def run(self, *args: str, cwd: Path | None = None, limit: float | None = None) -> ChildResult:
        """Run one verb; the result may be a failure. ChildTimeout and the other errors of starting come through."""
        argv = [self.command, *self.options, *args]
        look = _LostHelper() if sys.platform == "linux" and "://" in self.url else None
        return await self.processes.run(
            argv, env=self.env, cwd=cwd, timeout=limit, stdout_limit=256 * 1024 * 1024, look=look
        )

    async def output(self, *args: str, cwd: Path | None = None, limit: float | None = None) -> bytes:
        """Run one verb that must succeed.

        Raises
        ------
        SourceFailed
            With git's sentence.
        """
        try:
            result = await self.run(*args, cwd=cwd, limit=limit)
        except ChildTimeout:
            raise SourceFailed(f"git {args[0]} timed out after {limit:g} s") from None
        if result.returncode != 0:
            raise SourceFailed(self.sentence(result.stderr), moved=bool(_MOVED.search(result.stderr)))
        return result.stdout

    def sentence(self, stderr: str, folder: Path | None = None) -> str:
        """Turn what git said into what happened and what to do; secrets are removed."""
        text = redact(stderr, self.secrets)
        said = _fatal_lines(text)
        if "No space left on device" in text:
            where = folder or "the temporary folder"
            return f"No space left on the device that holds {where}. Free some, then start again. git: {said}"
        if _LOGIN.search(text):
            return (
                "authentication required: the git host wants a login, or there is no such repository. Name an environment "
                "variable of the server that holds a token (credential_env), or set up git's credential helper or ssh agent "
                f"for the user who runs Jupyter. git: {said}"
            )
        if "dubious ownership" in text:
            return f"git does not trust this folder because it belongs to another user. git's advice: {_one_line(text)}"
        if _MOVED.search(text):
            return f"The address redirects to another one; use that one. git: {said}"
        return f"git failed: {said}"


class _LostHelper:
    """Looks whether what fetches for git has lost the process between the two: git would wait for it until its time is up."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, pid: int) -> None:
        """Look, once in a while.

        Raises
        ------
        SourceFailed
            A helper lives whose parent does not.
        """
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _LOOK_EVERY
        below = descendants(pid)
        if not any(map(_is_dead, below)):
            return
        known = {pid, *(process.pid for process in below)}
        for member in living_members(pid):
            with suppress(psutil.Error):
                process = psutil.Process(member)
                if process.name().startswith("git-remote-") and process.ppid() not in known:
                    raise SourceFailed(f"git failed: the process between git and {process.name()} was killed. Start again.")


def _is_dead(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return True


def redact(text: str, secrets: Sequence[str]) -> str:
    """Replace secrets, and whatever stands before the ``@`` of an address."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return _URL_USER.sub("://***@", text)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:1000]


def _fatal_lines(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    chosen = [line for line in lines if _TELLING.match(line)] or lines
    return _one_line(" ".join(chosen[-6:])) or "it said nothing"


async def open_git(source: Source, policy: SourcePolicy, processes: Processes, environ: Mapping[str, str] | None = None) -> Git:
    """Check the host once more, now by its name, and prepare git for this source.

    Raises
    ------
    SourceRefused, BadRequest
        The host is not public, or not there.
    """
    environ = os.environ if environ is None else environ
    env = child_environment(_fixed_environment(environ), passthrough=_PASSTHROUGH, source=environ)
    good = await verify_host(source, policy, env)
    user, password, url = _credentials(source, environ)
    if password is not None:
        env |= {_USER: user, _PASSWORD: password, **_helper_settings(source, urlsplit(url).netloc, only=bool(password))}
    options = (*_options(source, policy), *_pinned(source, good))
    return Git(policy.git_command, url, env, options, _secrets(source, user, password), processes, good)


def _fixed_environment(environ: Mapping[str, str]) -> dict[str, str]:
    ssh = environ.get("GIT_SSH_COMMAND") or "ssh"
    return {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "SSH_ASKPASS_REQUIRE": "never",
        "GCM_INTERACTIVE": "never",
        "GIT_SSH_COMMAND": f"{ssh} -oBatchMode=yes -oConnectTimeout=15",
        "LC_ALL": "C",
    }


def _helper_settings(source: Source, host: str, *, only: bool) -> dict[str, str]:
    """Configure the helper for this host by the environment alone.

    `only`: an empty value first makes git forget the helpers of the user's configuration, because this very login was
    asked for. A user name alone may be a token, or a hint for those helpers: they come first then.
    """
    values = ["", _HELPER] if only else [_HELPER]
    settings = {"GIT_CONFIG_COUNT": str(len(values))}
    for number, value in enumerate(values):
        settings |= {
            f"GIT_CONFIG_KEY_{number}": f"credential.{source.scheme}://{host}.helper",
            f"GIT_CONFIG_VALUE_{number}": value,
        }
    return settings


def _credentials(source: Source, environ: Mapping[str, str]) -> tuple[str, str | None, str]:
    """Return user, password (None: git's own ways) and the address without them."""
    if source.kind == "path" or source.scheme not in ("https", "http"):
        return "", None, source.location
    parts = urlsplit(source.location)
    url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    if source.credential_env is not None:
        user, colon, password = environ.get(source.credential_env, "").strip().partition(":")
        return (user, password, url) if colon else ("x-access-token", user, url)
    if parts.username is None:
        return "", None, url
    return unquote(parts.username), unquote(parts.password or ""), url


def _secrets(source: Source, user: str, password: str | None) -> tuple[str, ...]:
    parts = urlsplit(source.location) if source.kind == "url" and "://" in source.location else None
    raw = (parts.password or "", parts.query) if parts is not None else ()
    # a token may be given as the user's name, with an empty password
    token = user if password == "" else ""
    return tuple(filter(None, (password, token, *raw)))


def _options(source: Source, policy: SourcePolicy) -> tuple[str, ...]:
    allowed = ("file",) if source.kind == "path" else policy.allowed_schemes
    redirects = "initial" if policy.allow_private_hosts else "false"
    settings = [
        "protocol.allow=never",
        *(f"protocol.{scheme}.allow=always" for scheme in allowed),
        "core.hooksPath=/dev/null",
        "core.fsmonitor=false",
        "core.symlinks=false",
        "core.askPass=",
        "submodule.recurse=false",
        "gc.auto=0",
        "maintenance.auto=false",
        "advice.detachedHead=false",
        # a public host could redirect to a private one, and that address nobody has judged
        f"http.followRedirects={redirects}",
    ]
    return tuple(part for setting in settings for part in ("-c", setting))


def _pinned(source: Source, good: Sequence[str]) -> tuple[str, ...]:
    """Hold git to the addresses that were judged: a name may resolve to another one a moment later."""
    if not good or source.scheme not in ("https", "http"):
        return ()
    port = urlsplit(source.location).port or (443 if source.scheme == "https" else 80)
    listed = ",".join(f"[{address}]" if ":" in address else address for address in good)
    return ("-c", f"http.curloptResolve={source.host}:{port}:{listed}")
