"""The client of the REST API: generate, get, list, abort, delete, wait, download."""

from __future__ import annotations

import builtins
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from docsfy_jupyter import errors
from docsfy_jupyter.client.discovery import Address, find_server
from docsfy_jupyter.models import Status, Variant

_KINDS = {
    kind.code: kind
    for kind in (
        errors.BadRequest, errors.InvalidBody, errors.SourceRefused, errors.ProviderUnavailable, errors.NotFound, errors.Conflict,
        errors.AlreadyGenerating, errors.NotGenerating, errors.AbortPending, errors.NameTaken, errors.Ambiguous, errors.NoSite,
        errors.StoreUnavailable, errors.RenderFailed,
    )
}  # fmt: skip


def connect(
    url: str | None = None, token: str | None = None, *, verify: str | bool = True, timeout: float = 30.0
) -> DocsfyClient:
    """Connect to the Jupyter server that has the extension.

    Parameters
    ----------
    url : str, optional
        The server's base URL, with or without ``docsfy`` at the end. Without it the server is found: the variables that
        kernels inherit, JupyterHub's, the kernel's parent.
    token : str, optional
        The extension's own secret or a Jupyter token.
    verify : str or bool
        A file of certificates to trust, or False.
    timeout : float
        Seconds that one request may take.

    Raises
    ------
    ServerNotFound
    """
    return DocsfyClient(find_server(url, token), verify=verify, timeout=timeout)


class DocsfyClient:
    """A client; `connect` makes one.

    Parameters
    ----------
    address : Address
        Where the extension answers.
    verify : str or bool
        As for `connect`.
    timeout : float
        Seconds.
    """

    def __init__(self, address: Address, *, verify: str | bool = True, timeout: float = 30.0) -> None:
        self.url = address.url
        context: ssl.SSLContext | bool = ssl.create_default_context(cafile=verify) if isinstance(verify, str) else verify
        local = httpx.URL(address.url).host in ("127.0.0.1", "localhost", "::1")
        headers = {"Authorization": f"token {address.token}"} if address.token else {}
        self._http = httpx.Client(
            base_url=address.url, headers=headers, timeout=timeout, verify=context, trust_env=not local, follow_redirects=False
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def generate(
        self,
        repo: str | None = None,
        *,
        repo_url: str | None = None,
        repo_path: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        ai_provider: str | None = None,
        ai_model: str | None = None,
        branch: str | None = None,
        name: str | None = None,
        force: bool = False,
    ) -> Variant:
        """Start a run.

        Parameters
        ----------
        repo : str, optional
            A URL or an absolute path; or use `repo_url` or `repo_path`.
        provider, model : str, optional
            The server's defaults otherwise (``local``, which needs no key).
        branch, name : str, optional
            The repository's default branch and its own name otherwise.
        force : bool
            Forget the cached pages first.

        Returns
        -------
        Variant
            Its row, which says ``generating``.

        Raises
        ------
        BadRequest, SourceRefused, ProviderUnavailable, Conflict, ClientError
        """
        if repo is not None:
            repo_url, repo_path = (repo, repo_path) if _is_url(repo) else (repo_url, str(Path(repo).expanduser().absolute()))
        body: dict[str, Any] = {"repo_url": repo_url, "repo_path": repo_path, "branch": branch, "name": name}
        body |= {"ai_provider": ai_provider or provider, "ai_model": ai_model or model, "force": force}
        answer = self._call("POST", "api/generate", json={k: v for k, v in body.items() if v is not None}, timeout=60).json()
        return self._variant(self._call("GET", f"api/projects/by-id/{answer['generation_id']}").json())

    def get(self, name: str, provider: str, model: str, branch: str | None = None, owner: str | None = None) -> Variant:
        """Return a variant.

        Raises
        ------
        NotFound, Ambiguous, ClientError
        """
        return self._variant(self._call("GET", "api/variant", params=_query(name, provider, model, branch, owner)).json())

    def list(self, **filters: str) -> builtins.list[Variant]:
        """Return the server's variants, newest first, without their plans; filters ``status``, ``provider``, ``q``."""
        return [self._variant(row) for row in self._call("GET", "api/projects", params=filters).json()["projects"]]

    def abort(self, variant: Variant) -> Variant:
        """Abort the run of a variant; returns when its processes are dead.

        Raises
        ------
        NotFound, NotGenerating, AbortPending, ClientError
        """
        return self._variant(self._call("POST", f"{_path(variant)}/abort").json()["variant"])

    def delete(self, variant: Variant) -> None:
        """Delete a variant with its site.

        Raises
        ------
        NotFound, AlreadyGenerating, ClientError
        """
        self._call("DELETE", _path(variant))

    def render(self, variant: Variant) -> Variant:
        """Render a variant again from its page cache."""
        return self._variant(self._call("POST", f"{_path(variant)}/render", timeout=600).json())

    def wait(self, variant: Variant, timeout: float | None = None, on_change: Callable[[Variant], None] | None = None) -> Variant:
        """Wait for the end of a run.

        Parameters
        ----------
        variant : Variant
            What to wait for.
        timeout : float, optional
            Seconds.
        on_change : callable, optional
            Called with every row that differs from the one before.

        Returns
        -------
        Variant
            Its row, ``ready``.

        Raises
        ------
        GenerationFailed, GenerationAborted
            With the row in ``details['variant']``.
        TimeoutError
            With the last status.
        """
        end = None if timeout is None else time.monotonic() + timeout
        tag, row = "", variant
        while True:
            left = 20.0 if end is None else min(20.0, end - time.monotonic())
            if left <= 0:
                raise TimeoutError(f"{row.address} is still {row.status.value} ({row.current_stage}) after {timeout} s")
            answer = self._call("GET", _path(row), params={"wait": str(max(1, int(left))), "etag": tag}, timeout=60)
            if answer.status_code == httpx.codes.NOT_MODIFIED:
                continue
            tag, row = answer.headers.get("etag", ""), self._variant(answer.json())
            if on_change is not None:
                on_change(row)
            if row.status.terminal:
                return _judged(row)

    def runs(self, **filters: str) -> dict[str, Any]:
        """Return ``{runs, total}`` of the history, newest first."""
        return dict(self._call("GET", "api/runs", params=filters).json())

    def models(self) -> dict[str, Any]:
        """Return providers, models and availability."""
        return dict(self._call("GET", "api/models").json())

    def health(self) -> None:
        """Return when the server is well.

        Raises
        ------
        StoreUnavailable, ClientError
        """
        self._call("GET", "health")

    def download(self, variant: Variant, target: str | Path) -> Path:
        """Save the site as ``.tar.gz``.

        Raises
        ------
        NoSite, NotFound, ClientError
        """
        answer = self._call("GET", f"{_path(variant)}/download", timeout=300)
        Path(target).write_bytes(answer.content)
        return Path(target)

    @staticmethod
    def _variant(row: Mapping[str, Any]) -> Variant:
        return Variant.from_json(row)

    def _call(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **options)
        except httpx.ConnectError as error:
            advice = " Pass verify='…/ca.pem' for your own certificate." if "CERTIFICATE" in str(error).upper() else ""
            raise errors.ServerUnreachable(f"No connection to {self.url}: {error}.{advice}") from None
        except httpx.TransportError as error:
            raise errors.ServerUnreachable(f"{self.url} did not answer: {type(error).__name__} {error}") from None
        if answer.status_code < 300 or answer.status_code == httpx.codes.NOT_MODIFIED:
            return answer
        raise self._error(answer)

    def _error(self, answer: httpx.Response) -> errors.DocsfyError:
        try:
            data = answer.json()
        except ValueError:
            data = None
        if answer.is_redirect:
            where = answer.headers.get("location", "")
            return errors.ServerUnreachable(f"The server at {self.url} is stopped or sends to {where}; start it and log in.")
        if not isinstance(data, dict) or "detail" not in data:
            if answer.status_code == httpx.codes.NOT_FOUND:
                return errors.ExtensionNotEnabled(
                    f"The docsfy_jupyter server extension is not enabled on {self.url}; run `jupyter server extension enable "
                    "docsfy_jupyter` and restart Jupyter (a restart is enough when it was installed just now)."
                )
            if answer.status_code != httpx.codes.FORBIDDEN:
                return errors.ServerUnreachable(f"{self.url} answered {answer.status_code} without saying why.")
        text = str((data or {}).get("detail") or (data or {}).get("message") or "")
        if answer.status_code == httpx.codes.FORBIDDEN:
            if "Host" in text:
                return errors.TokenNotAccepted(f"{self.url}: {text}")
            return errors.TokenNotAccepted(
                f"The token is missing or not accepted for {self.url}; `jupyter server list` shows it."
            )
        kind = _KINDS.get(str((data or {}).get("code")), errors.DocsfyError)
        return kind(text)


def _judged(row: Variant) -> Variant:
    if row.status is Status.ERROR:
        raise errors.GenerationFailed(f"{row.address} failed: {row.error_message}", variant=row)
    if row.status is Status.ABORTED:
        raise errors.GenerationAborted(f"{row.address} was aborted: {row.error_message}", variant=row)
    return row


def _is_url(text: str) -> bool:
    return "://" in text or (":" in text.split("/", 1)[0] and "@" in text)


def _path(variant: Variant) -> str:
    parts = (variant.name, variant.branch, variant.ai_provider, variant.ai_model)
    return "api/projects/" + "/".join(quote(part, safe="") for part in parts)


def _query(name: str, provider: str, model: str, branch: str | None, owner: str | None) -> dict[str, str]:
    query = {"name": name, "provider": provider, "model": model, "branch": branch, "owner": owner}
    return {key: value for key, value in query.items() if value is not None}
