"""The local issuer: its tokens are what the services take, and only the administrator gets them."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from joserfc.jwk import KeySet, OKPKey

from shared.access.bearer import actor_of
from shared.access.commands import ActionNotAuthenticated
from zeren.issuer.app import application
from zeren.issuer.directory import Directory
from zeren.issuer.keys import load_or_make_key, publish
from zeren.issuer.tokens import LONGEST_SECONDS, TokenSigner

NUMBER = "35010219900101123X"
SECRET = "the-secret"


@pytest.fixture
def key(tmp_path: Path) -> OKPKey:
    return load_or_make_key(tmp_path / "issuer.jwk")


def published(key: OKPKey, folder: Path) -> KeySet:
    publish(key, folder / "issuer.jwks")
    return KeySet.import_key_set(json.loads((folder / "issuer.jwks").read_text()))


def test_a_service_takes_the_issuers_token(key: OKPKey, tmp_path: Path) -> None:
    """Checked against the published keys, it names the handler and the duties."""
    issued = TokenSigner(key).issue("handler:h-accept-1", ["D8"], now=int(time.time()))
    actor = actor_of(issued.token, published(key, tmp_path), int(time.time()))
    assert (actor.name, actor.duties) == ("handler:h-accept-1", frozenset({"D8"}))


def test_a_token_ends(key: OKPKey, tmp_path: Path) -> None:
    """One second after its time no service takes it."""
    issued = TokenSigner(key, 60).issue("person:p", [], now=1_000)
    keys = published(key, tmp_path)
    assert actor_of(issued.token, keys, 1_059).kind == "person"
    with pytest.raises(ActionNotAuthenticated):
        actor_of(issued.token, keys, 1_061)


def test_another_issuers_token_is_not_taken(key: OKPKey, tmp_path: Path) -> None:
    """A key that was not published signs nothing that counts."""
    other = load_or_make_key(tmp_path / "other.jwk")
    issued = TokenSigner(other).issue("handler:h-accept-1", ["D8"], now=1_000)
    with pytest.raises(ActionNotAuthenticated):
        actor_of(issued.token, published(key, tmp_path), 1_000)


@pytest.mark.parametrize("seconds", [0, -1, LONGEST_SECONDS + 1])
def test_no_token_lives_longer_than_half_a_day(key: OKPKey, seconds: int) -> None:
    """Twelve hours at most."""
    with pytest.raises(ValueError, match="43200"):
        TokenSigner(key, seconds)


def test_the_private_key_is_private_and_stays(tmp_path: Path, key: OKPKey) -> None:
    """Mode 0600; a restart finds the same key; the published file holds no private half."""
    assert (tmp_path / "issuer.jwk").stat().st_mode & 0o777 == 0o600
    assert load_or_make_key(tmp_path / "issuer.jwk").as_dict(private=True) == key.as_dict(private=True)
    publish(key, tmp_path / "issuer.jwks")
    assert '"d"' not in (tmp_path / "issuer.jwks").read_text()


def services(request: httpx.Request) -> httpx.Response:
    """Audit's directory and enrolment's resolution, as far as the issuer asks them."""
    if not request.headers["authorization"].startswith("Bearer ey"):
        return httpx.Response(401)
    path = request.url.path
    if path == "/directory/h-accept-1":
        return httpx.Response(200, json={"handler_id": "h-accept-1", "duties": ["D8"], "active": True})
    if path == "/directory/h-former":
        return httpx.Response(200, json={"handler_id": "h-former", "duties": ["D8"], "active": False})
    if path == "/directory/h-down":
        return httpx.Response(503)
    if path == "/persons/resolution" and json.loads(request.content) == {"national_id": NUMBER}:
        return httpx.Response(200, json={"person_id": "p-1"})
    return httpx.Response(404)


@pytest.fixture
def ask(key: OKPKey) -> Callable[..., httpx.Response]:
    """`ask({"handler": …})`: what the issuer answers the administrator, or another bearer."""
    signer = TokenSigner(key)
    directory = Directory(
        http=httpx.Client(transport=httpx.MockTransport(services)),
        enrolment_url="http://enrolment",
        audit_url="http://audit",
        own_token=lambda now: signer.issue("handler:issuer", ["ISSUER"], now=now).token,
    )
    client = TestClient(application(directory, signer, SECRET))

    def post(body: object, secret: str = SECRET) -> httpx.Response:
        return client.post("/token", json=body, headers={"Authorization": f"Bearer {secret}"})

    return post


def test_a_handler_gets_a_token_with_the_duties_of_the_directory(
    ask: Callable[..., httpx.Response], key: OKPKey, tmp_path: Path
) -> None:
    """Not those that the caller would like."""
    answer = ask({"handler": "h-accept-1"}).json()
    assert (answer["subject"], answer["duties"]) == ("handler:h-accept-1", ["D8"])
    assert actor_of(answer["token"], published(key, tmp_path), int(time.time())).duties == {"D8"}


def test_a_person_gets_a_token_that_names_the_person_id_alone(ask: Callable[..., httpx.Response]) -> None:
    """The ID number is resolved once and stands nowhere in the answer."""
    response = ask({"national_id": NUMBER})
    assert response.json()["subject"] == "person:p-1"
    assert NUMBER not in response.text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"handler": "h-unknown"}, 404),
        ({"handler": "h-former"}, 404),
        ({"handler": "h-down"}, 503),
        ({"national_id": "350102199001011235"}, 404),
        ({}, 422),
        ({"handler": "h-accept-1", "national_id": NUMBER}, 422),
        ({"handler": "../keys"}, 422),
        ({"handler": "h-accept-1", "duties": ["D14"]}, 422),
        ([], 422),
    ],
)
def test_whoever_is_not_known_gets_none(
    ask: Callable[..., httpx.Response], body: object, status: int
) -> None:
    """Unknown, former or malformed, each with a code and texts; a directory that is down is not a no."""
    response = ask(body)
    assert response.status_code == status
    assert set(response.json()) == {"code", "zh", "en", "field"}


@pytest.mark.parametrize("secret", ["", "the-secre", "the-secret2", "Bearer"])
def test_only_the_administrator_gets_tokens(ask: Callable[..., httpx.Response], secret: str) -> None:
    """Any other bearer is turned away before anybody is looked up."""
    assert ask({"handler": "h-accept-1"}, secret).status_code == 401


def test_an_id_number_is_never_logged_or_echoed(
    ask: Callable[..., httpx.Response], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither a good one, an unknown one nor a malformed one, at any level."""
    with caplog.at_level(logging.DEBUG):
        for number in (NUMBER, "350102199001011235", f"{NUMBER}x"):
            assert number not in ask({"national_id": number}).text
    assert "35010219900101123" not in caplog.text
