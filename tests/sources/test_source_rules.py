"""Addresses, folders and branch names are judged before git is started."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from docsfy_jupyter.errors import BadRequest, SourceRefused
from docsfy_jupyter.sources.hosts import verify_host
from docsfy_jupyter.sources.rules import Source, SourcePolicy, parse_source, same_repository, validate_ref

POLICY = SourcePolicy()


def parse_url(url: str, policy: SourcePolicy = POLICY, **options: object) -> Source:
    return parse_source(repo_url=url, repo_path=None, policy=policy, **options)  # type: ignore[arg-type]


def parse_path(path: object, policy: SourcePolicy = POLICY) -> Source:
    return parse_source(repo_url=None, repo_path=str(path), policy=policy)


@pytest.mark.case("G02")
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("--upload-pack=touch pwned-1;", "option"),
        ("-ux", "option"),
        ("ext::sh -c touch% pwned-2", "spaces"),
        ("ext::sh", "remote helper"),
        ("file:///etc", "file://"),
        ("https://h.example/o/r --config=x", "spaces"),
        ("https://h.example/o/r\n", "control"),
        ("https://-oProxyCommand=x/o/r", "dash"),
        ("http://h.example/o/r", "c.DocsfyApp.allowed_url_schemes"),
        ("git@h.example:o/r.git", "c.DocsfyApp.allowed_url_schemes"),
        ("ssh://git@h.example/o/r.git", "c.DocsfyApp.allowed_url_schemes"),
        ("gopher://h.example/o/r", "not supported"),
    ],
)
def test_an_address_that_is_more_than_one_is_refused(url: str, said: str) -> None:
    with pytest.raises(SourceRefused) as caught:
        parse_url(url)
    assert said in caught.value.message


@pytest.mark.parametrize(
    "url", ["", "  ", "o/r", "/srv/r", "https://", "https://h.example", "https://h.example:x/o/r", "https:///o/r"]
)
def test_what_is_no_address_is_a_bad_request(url: str) -> None:
    with pytest.raises(BadRequest):
        parse_url(url)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "2130706433", "0x7f000001", "0x7f.1", "127.1", "0177.0.0.1", "10.0.0.5", "192.168.1.1", "169.254.169.254"),
        *(
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[fe80::1]",
            "[fd00::1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "0.0.0.0",
            "100.64.0.1",
        ),
        *("localhost", "LOCALHOST.", "x.localhost", "metadata.google.internal", "user:pw@127.0.0.1:8080"),
    ],
)
def test_private_hosts_are_refused_in_every_notation(host: str) -> None:
    with pytest.raises(SourceRefused, match=r"c\.DocsfyApp\.allow_private_hosts"):
        parse_url(f"https://{host}/o/r.git")
    assert parse_url(f"https://{host}/o/r.git", SourcePolicy(allow_private_hosts=True)).name == "r"


@pytest.mark.parametrize("host", ["%31%32%37.0.0.1", "１２７.0.0.1", "ex\u00e4mple.com"])
def test_hosts_that_can_be_read_in_two_ways_are_refused(host: str) -> None:
    with pytest.raises(SourceRefused, match="characters"):
        parse_url(f"https://{host}/o/r.git")


async def test_a_name_that_resolves_to_a_private_address_is_refused_right_before_the_clone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = parse_url("https://rebound.example/o/r")

    def resolve(*_args: object, **_options: object) -> list[object]:
        return [(2, 1, 6, "", ("93.184.215.14", 0)), (2, 1, 6, "", ("169.254.169.254", 0))]

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    with pytest.raises(SourceRefused, match="not a public host"):
        await verify_host(source, POLICY)
    monkeypatch.setattr("socket.getaddrinfo", lambda *a, **k: resolve()[:1])
    assert await verify_host(source, POLICY) == ("93.184.215.14",)


@pytest.mark.case("G11")
def test_credentials_are_in_no_text_of_a_source() -> None:
    source = parse_url("https://u1:s3cr3t@h.example/o/r.git?token=s3cr3t")
    assert source.display == "https://h.example/o/r.git"
    assert "s3cr3t" not in repr(source)
    assert source.name == "r"


def test_ssh_addresses_work_where_they_are_allowed() -> None:
    policy = SourcePolicy(allowed_schemes=("https", "ssh"))
    source = parse_url("git@h.example:o/My.Repo.git", policy)
    assert (source.scheme, source.host, source.name, source.display) == (
        "ssh",
        "h.example",
        "My.Repo",
        "git@h.example:o/My.Repo.git",
    )
    assert parse_url("ssh://git:pw@h.example/o/r", policy).display == "ssh://git@h.example/o/r"
    with pytest.raises(SourceRefused, match="not a public host"):
        parse_url("git@127.1:o/r", policy)


def test_a_credential_variable_must_be_set_and_not_the_servers_own() -> None:
    url = "https://h.example/o/r"
    assert parse_url(url, credential_env="MY_TOKEN", environ={"MY_TOKEN": "x"}).credential_env == "MY_TOKEN"
    for name, said in [
        ("MY_TOKEN", "not set"),
        ("JUPYTER_TOKEN", "server's own"),
        ("DOCSFY_JUPYTER_TOKEN", "own"),
        ("a b", "name"),
    ]:
        with pytest.raises(BadRequest, match=said):
            parse_url(url, credential_env=name, environ={"JUPYTER_TOKEN": "x", "DOCSFY_JUPYTER_TOKEN": "x"})


@pytest.mark.case("G13")
def test_a_folder_must_be_an_absolute_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    for path, said in [
        ("relative/r", "absolute"),
        (tmp_path / "file", "is a file"),
        (tmp_path, "not a git repository"),
        (tmp_path / "no", "does not exist"),
    ]:
        with pytest.raises(BadRequest, match=said):
            parse_path(path)
    subprocess.run(["git", "init", "-q", "--bare", str(tmp_path / "it's a.git")], check=True)
    assert parse_path(tmp_path / "it's a.git").name == "it's a"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse_path("~/it's a.git").display == str(tmp_path / "it's a.git")
    with pytest.raises(SourceRefused, match=r"c\.DocsfyApp\.allow_local_paths"):
        parse_path(tmp_path, SourcePolicy(allow_local_paths=False))


def test_one_of_url_and_path_is_needed() -> None:
    for url, path in [(None, None), ("https://h.example/o/r", "/r")]:
        with pytest.raises(BadRequest, match="either"):
            parse_source(repo_url=url, repo_path=path, policy=POLICY)


@pytest.mark.case("G02")
@pytest.mark.parametrize(
    "ref",
    [
        *(
            "--upload-pack=touch pwned-3",
            "-x",
            "a..b",
            "HEAD",
            "@{-1}",
            "",
            "@",
            "a b",
            "a\nb",
            "a\0b",
            "a:b",
            "a^",
            "a~1",
            "a?",
            "a*",
        ),
        *("/a", "a/", "a//b", "a.", ".a", "a/.b", "a.lock", "a.lock/b", "a\\b", "[a", "x" * 251, "\udce9"),
    ],
)
def test_what_is_no_branch_name_is_a_bad_request(ref: str) -> None:
    with pytest.raises(BadRequest):
        validate_ref(ref)


@pytest.mark.parametrize("ref", ["main", "feature/x", "v1.10", "1.10", "release-2.x", "文", "a@b", "true"])
def test_branch_names_of_real_life_are_accepted(ref: str) -> None:
    validate_ref(ref)


def test_the_same_repository_is_recognised() -> None:
    assert same_repository("https://H.example/o/r.git", "https://u:p@h.example/o/r/")
    assert same_repository("/srv/r/", "/srv/r")
    assert not same_repository("https://h.example/o/r", "https://h.example/o/R")
