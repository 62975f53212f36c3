"""Pure: from what came back, or did not, to an answer or to the error that says what to do."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import httpx

from docsfy_jupyter import errors

_KINDS = {
    kind.code: kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.DocsfyError)
}
_HUB_HEADER = "x-jupyterhub-version"  # in every answer of JupyterHub and of its users' servers
_LOGIN = re.compile(r"/(login|oauth_login|api/oauth2/authorize)/?$")
_DETAILS = ("candidates", "faults", "holder")

Outcome = httpx.Response | errors.DocsfyError


def not_reached(error: httpx.HTTPError, url: str) -> errors.ServerUnreachable:
    """Return the error for a request without an answer.

    Parameters
    ----------
    error : httpx.HTTPError
        What the transport said.
    url : str
        Where the extension should answer.
    """
    text = str(error) or type(error).__name__
    if "CERTIFICATE" in text.upper():
        return errors.ServerUnreachable(
            f"The certificate of {url} is not trusted: {text}. If it is your own, pass its file: verify='/path/to/ca.pem'."
        )
    if isinstance(error, httpx.ConnectError):
        return errors.ServerUnreachable(
            f"No connection to {url}: {text}. The server may be stopped; `jupyter server list` shows those that run."
        )
    return errors.ServerUnreachable(f"{url} did not answer: {text}.")


def judged(answer: httpx.Response, url: str, *, with_token: bool, data: bool) -> Outcome:
    """Return a good answer as it is, and the error that another one means.

    Parameters
    ----------
    answer : httpx.Response
        Read to its end, except where it is good and not JSON.
    url : str
        Where the extension should answer.
    with_token : bool
        Whether the request carried one.
    data : bool
        Whether a good answer must be JSON.
    """
    if answer.status_code == httpx.codes.NOT_MODIFIED:
        return answer
    if answer.is_success:
        return answer if not data or _is_json(answer) else _foreign(answer, url)
    hub = _HUB_HEADER in answer.headers
    if answer.is_redirect:
        where = answer.headers.get("location", "")
        if _LOGIN.search(urlsplit(where).path):
            return _refused(url, with_token=with_token, hub=hub)
        return _stopped(url, where, hub=hub)
    body = _body(answer)
    text = str(body.get("detail") or body.get("message") or "")
    if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return _forbidden(text or answer.text[:2000], url, body, with_token=with_token, hub=hub)
    if "detail" not in body:
        return _foreign(answer, url)
    kind = _KINDS.get(str(body.get("code")), errors.DocsfyError)
    return kind(text, **{name: body[name] for name in _DETAILS if name in body})


def _forbidden(text: str, url: str, body: dict[str, Any], *, with_token: bool, hub: bool) -> errors.DocsfyError:
    """Tell a Host that is refused and a user who may not from a token that is wrong: the advice differs."""
    if "Host" in text:
        sentence = text if body else "the server answers to local names only (its trait ServerApp.local_hostnames)"
        return errors.TokenNotAccepted(f"{url} refused the name in its address: {sentence}. Use 127.0.0.1 or localhost.")
    if body.get("code") == errors.NotPermitted.code:
        return errors.NotPermitted(f"{url}: {text}")
    return _refused(url, with_token=with_token, hub=hub)


def _stopped(url: str, where: str, *, hub: bool) -> errors.ServerUnreachable:
    if hub:  # JupyterHub has the address, and no server behind it
        home = _hub_page(url, "home")
        return errors.ServerUnreachable(f"The JupyterHub server {url} is stopped. Start it at {home}, then try again.")
    return errors.ServerUnreachable(f"{url} is stopped or has moved: it sends to {where}. Start your server again.")


def _hub_page(url: str, name: str) -> str:
    """Return the address of a page of the Hub whose user's server has a URL."""
    return f"{url.partition('/user/')[0]}/hub/{name}"


def _refused(url: str, *, with_token: bool, hub: bool) -> errors.TokenNotAccepted:
    if hub:
        what = "The token is not accepted by" if with_token else "A token is wanted, and none was passed, by"
        return errors.TokenNotAccepted(
            f"{what} the JupyterHub server {url}. It takes tokens of its own user, and of others who may access it (the scope "
            f"access:servers); {_hub_page(url, 'token')} makes one."
        )
    if with_token:
        return errors.TokenNotAccepted(f"The token is not accepted by {url}; `jupyter server list` shows the right one.")
    return errors.TokenNotAccepted(
        f"{url} wants a token and none was passed: connect(url, token='…'); `jupyter server list` shows it. A server that has "
        "only a password is reached from its own kernels, where connect() needs no arguments, or once it is given a token "
        "(c.IdentityProvider.token)."
    )


def _foreign(answer: httpx.Response, url: str) -> errors.ClientError:
    if answer.status_code in (httpx.codes.OK, httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED):
        return errors.ExtensionNotEnabled(
            f"The docsfy_jupyter server extension is not enabled on {url}; run `jupyter server extension enable docsfy_jupyter` "
            "and restart Jupyter (a restart is enough when it was installed just now)."
        )
    return errors.ServerUnreachable(f"{url} answered {answer.status_code} {answer.reason_phrase} without saying why.")


def _is_json(answer: httpx.Response) -> bool:
    return "json" in answer.headers.get("content-type", "")


def _body(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
