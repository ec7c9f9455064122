"""Raw submissions are kept sealed, under their person's key or the service's."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text

from shared.vault.errors import SealBroken
from shared.vault.evidence import Evidence
from shared.vault.persons import PersonVault
from tests.component.vault.people import Count, VaultOf, digest_of, step

BODY = '{"name":"林小梅"}'.encode()


@pytest.mark.parametrize("service", ["enrolment", "certification", "payment"])
def test_a_body_that_names_nobody_opens_for_its_service(vault_of: VaultOf, service: str) -> None:
    """Also when another process of the service opens it."""
    Evidence(vault_of(service), service).seal([(digest_of("a"), BODY, None), (digest_of("b"), b"", None)])
    again = Evidence(vault_of(service), service)
    assert again.open(digest_of("a")) == BODY
    assert again.open(digest_of("b")) == b""
    assert again.open(digest_of("c")) is None


def test_a_body_that_names_a_person_opens_with_that_persons_key(vault_of: VaultOf, count: Count) -> None:
    """Rows with and without a person in one batch."""
    one, vault = step("a"), vault_of("enrolment")
    person = PersonVault(vault).resolve([one])[one.digest].person_id
    Evidence(vault, "enrolment").seal([(one.digest, BODY, person), (digest_of("sheet"), b"sheet", None)])
    assert Evidence(vault, "enrolment").open(one.digest) == BODY
    assert Evidence(vault, "enrolment").open(digest_of("sheet")) == b"sheet"
    assert count("evidence") == 2


def test_sealing_again_keeps_the_first(vault_of: VaultOf, owner: Engine) -> None:
    """A repetition after a crash changes nothing, not even the ciphertext."""
    evidence = Evidence(vault_of("enrolment"), "enrolment")
    row = text("SELECT sealed, received_at FROM evidence")
    evidence.seal([(digest_of("a"), BODY, None)])
    with owner.connect() as connection:
        before = connection.execute(row).one()
    evidence.seal([(digest_of("a"), BODY, None), (digest_of("a"), BODY, None)])
    with owner.connect() as connection:
        assert connection.execute(row).one() == before


def test_the_same_bytes_sent_to_two_services_are_evidence_of_both(vault_of: VaultOf, count: Count) -> None:
    """Neither opens the other's."""
    for service in ("enrolment", "certification"):
        Evidence(vault_of(service), service).seal([(digest_of("a"), BODY, None)])
    assert count("evidence") == 2
    assert Evidence(vault_of("certification"), "certification").open(digest_of("a")) == BODY
    assert Evidence(vault_of("payment"), "payment").open(digest_of("a")) is None


def test_a_body_moved_to_another_digest_does_not_open(vault_of: VaultOf, owner: Engine) -> None:
    """The digest is bound to the ciphertext: whoever can write the database can't swap evidence."""
    evidence = Evidence(vault_of("enrolment"), "enrolment")
    evidence.seal([(digest_of("a"), BODY, None)])
    with owner.begin() as connection:
        connection.execute(text("UPDATE evidence SET digest = :digest"), {"digest": digest_of("b")})
    with pytest.raises(SealBroken):
        evidence.open(digest_of("b"))


def test_a_large_body_is_kept_whole(vault_of: VaultOf) -> None:
    """The largest submission that intake takes: 256 KiB."""
    evidence, body = Evidence(vault_of("enrolment"), "enrolment"), bytes(range(256)) * 1024
    evidence.seal([(digest_of("large"), body, None)])
    assert evidence.open(digest_of("large")) == body


def test_an_empty_batch_of_evidence_is_nothing(vault_of: VaultOf, count: Count) -> None:
    """Nothing is written, no key is drawn."""
    Evidence(vault_of("enrolment"), "enrolment").seal([])
    assert (count("evidence"), count("service_keys")) == (0, 0)
