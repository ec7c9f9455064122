"""Deleting a person's data key makes all the rest unreadable, and breaks nothing that proves."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from shared.vault.accounts import Accounts, OwnerKind
from shared.vault.disclosure import disclose_groups
from shared.vault.erasure import NOTHING, Erased, is_known, shred_deleted_keys
from shared.vault.erasure import erase as erase_person
from shared.vault.errors import PersonUnreadable, VaultUnavailable
from shared.vault.evidence import Evidence
from shared.vault.names import PersonNames
from shared.vault.persons import PersonStep, PersonVault, ResolvedPerson
from tests.component.vault.people import GROUPS, Count, Erase, VaultOf, step
from zeren.stack.local import Servers

ACCOUNT = {"number": "6217001234567890", "holder": "林小梅", "bank": "中国建设银行"}


Kept = tuple[list[PersonStep], list[ResolvedPerson], list[str]]


@pytest.fixture
def kept(vault_of: VaultOf) -> Kept:
    """Two persons with evidence and an account each; gives their resolved persons and account ids."""
    vault = vault_of("enrolment")
    steps = [step("erased", 1), step("stays", 2)]
    people = [PersonVault(vault).resolve(steps)[one.digest] for one in steps]
    Evidence(vault, "enrolment").seal(
        [(one.digest, b"body", person.person_id) for one, person in zip(steps, people, strict=True)]
    )
    accounts = [
        Accounts(vault_of("payment")).register(OwnerKind.PERSON, person.person_id, **ACCOUNT).account_id
        for person in people
    ]
    return steps, people, accounts


def readable(
    vault_of: VaultOf, submission: PersonStep, person: ResolvedPerson, account: str
) -> dict[str, bool]:
    """What of a person can still be read."""
    return {
        "name": bool(PersonNames(vault_of("audit")).read([person.person_id])),
        "evidence": Evidence(vault_of("enrolment"), "enrolment").open(submission.digest) is not None,
        "groups": bool(disclose_groups(vault_of("payment"), person.person_id)),
        "account": bool(Accounts(vault_of("payment")).read([account])),
    }


def test_everything_of_an_erased_person_is_unreadable_and_of_others_readable(
    vault_of: VaultOf, kept: Kept, erase: Erase, count: Count
) -> None:
    """The sealed values go with the key; what stays is ciphertext without a key."""
    steps, people, accounts = kept
    assert set(readable(vault_of, steps[0], people[0], accounts[0]).values()) == {True}
    erase(people[0].person_id)
    assert set(readable(vault_of, steps[0], people[0], accounts[0]).values()) == {False}
    assert set(readable(vault_of, steps[1], people[1], accounts[1]).values()) == {True}
    assert (count("sealed_values"), count("persons")) == (3, 2)


def test_a_repetition_after_erasure_gets_what_stands_and_revives_nothing(
    vault_of: VaultOf, kept: Kept, erase: Erase, count: Count
) -> None:
    """Id and commitments are in facts for ever; a resent submission brings no key back."""
    steps, people, accounts = kept
    erase(people[0].person_id)
    again = PersonVault(vault_of("enrolment")).resolve([steps[0]])[steps[0].digest]
    assert again == people[0]
    assert set(again.commitments) == set(GROUPS)
    assert count("data_keys") == 1
    assert set(readable(vault_of, steps[0], people[0], accounts[0]).values()) == {False}


def test_evidence_that_arrives_after_the_erasure_is_noted_without_its_body(
    vault_of: VaultOf, kept: Kept, erase: Erase, count: Count
) -> None:
    """It is sealed under no other key: that would undo the erasure."""
    _, people, _ = kept
    erase(people[0].person_id)
    late, evidence = step("late"), Evidence(vault_of("enrolment"), "enrolment")
    evidence.seal([(late.digest, b"body", people[0].person_id)])
    assert evidence.open(late.digest) is None
    assert count("evidence") == 3


def test_an_erased_person_takes_no_account(vault_of: VaultOf, kept: Kept, erase: Erase) -> None:
    """There is no key to seal it under."""
    _, people, _ = kept
    erase(people[0].person_id)
    with pytest.raises(PersonUnreadable):
        Accounts(vault_of("payment")).register(
            OwnerKind.PERSON, people[0].person_id, **{**ACCOUNT, "number": "6217001234567891"}
        )


def test_an_erased_person_enrolling_anew_keeps_the_id_but_not_the_past(
    vault_of: VaultOf, kept: Kept, erase: Erase
) -> None:
    """The blind index outlives erasure, or the no-repeat rule leaks; the new key opens nothing old."""
    steps, people, accounts = kept
    erase(people[0].person_id)
    new, vault = step("anew", 1, name="林梅", groups=()), vault_of("enrolment")
    again = PersonVault(vault).resolve([new])[new.digest]
    Evidence(vault, "enrolment").seal([(new.digest, b"new body", again.person_id)])
    assert again.person_id == people[0].person_id
    assert PersonNames(vault_of("audit")).read([again.person_id])[again.person_id].name == "林梅"
    assert Evidence(vault, "enrolment").open(new.digest) == b"new body"
    old = readable(vault_of, steps[0], people[0], accounts[0])
    assert old == {"name": True, "evidence": False, "groups": False, "account": False}


def test_what_an_order_deleted_is_told_as_counts_and_again_the_same(
    vault_of: VaultOf, kept: Kept, erase: Erase
) -> None:
    """A repetition after a crash finds nothing to delete, is no error, and still knows what went."""
    _, people, _ = kept
    person = people[0].person_id
    told = Erased(data_keys=1, values=3, commitments=len(GROUPS), submissions=1, accounts=1)
    assert erase(person) == told
    assert erase(person) == told
    again = erase_person(vault_of("enrolment"), person, 2)
    assert again == NOTHING


def test_a_repeated_order_leaves_alone_what_came_by_a_new_enrolment(
    vault_of: VaultOf, kept: Kept, erase: Erase
) -> None:
    """Its crash may lie long ago: only a new order deletes what the person gave since."""
    _, people, _ = kept
    person = people[0].person_id
    erase(person)
    PersonVault(vault_of("enrolment")).resolve([step("anew", 1)])
    erase(person)
    assert PersonNames(vault_of("audit")).read([person])
    second = erase_person(vault_of("enrolment"), person, 2)
    assert second is not None
    assert second.data_keys == 1


def test_an_account_registered_after_a_new_enrolment_is_readable(
    vault_of: VaultOf, kept: Kept, erase: Erase
) -> None:
    """The same number again is a new account: the old one's ciphertext is gone."""
    _, people, accounts = kept
    person = people[0].person_id
    erase(person)
    PersonVault(vault_of("enrolment")).resolve([step("anew", 1)])
    found = Accounts(vault_of("payment")).register(OwnerKind.PERSON, person, **ACCOUNT)
    assert found.account_id != accounts[0]
    assert set(Accounts(vault_of("payment")).read([found.account_id, accounts[0]])) == {found.account_id}


def test_evidence_that_named_nobody_when_it_came_goes_with_the_person_whom_it_names(
    vault_of: VaultOf, kept: Kept, erase: Erase
) -> None:
    """A body waited sealed under the service's key for its sender's key; attributed, it is the person's."""
    _, people, _ = kept
    late, evidence = step("late", 1), Evidence(vault_of("enrolment"), "enrolment")
    evidence.seal([(late.digest, b"late body", None)])
    evidence.seal([(late.digest, b"late body", people[0].person_id)])
    assert evidence.open(late.digest) == b"late body"
    deleted = erase(people[0].person_id)
    assert deleted is not None
    assert deleted.submissions == 2
    assert evidence.open(late.digest) is None
    assert evidence.kept(late.digest)
    assert not evidence.kept(step("never").digest)


def test_what_is_sealed_for_a_person_is_never_given_to_another(vault_of: VaultOf, kept: Kept) -> None:
    """Nor can a service touch another one's evidence."""
    steps, people, _ = kept
    evidence = Evidence(vault_of("enrolment"), "enrolment")
    evidence.seal([(steps[0].digest, b"other body", people[1].person_id)])
    assert evidence.open(steps[0].digest) == b"body"
    theirs = Evidence(vault_of("certification"), "enrolment")
    unnamed = step("unnamed").digest
    evidence.seal([(unnamed, b"unnamed", None)])
    theirs.seal([(unnamed, b"altered", people[1].person_id)])
    assert evidence.open(unnamed) == b"unnamed"


def test_audit_tells_erased_from_unknown(vault_of: VaultOf, kept: Kept, erase: Erase) -> None:
    """Both have no name to show; only one ever had."""
    _, people, _ = kept
    person = people[0].person_id
    assert PersonNames(vault_of("audit")).erased([person]) == set()
    erase(person)
    nobody = "22222222-2222-4222-8222-222222222222"
    assert PersonNames(vault_of("audit")).erased([person, nobody]) == {person}
    assert is_known(vault_of("enrolment"), person)
    assert not is_known(vault_of("enrolment"), nobody)
    assert erase_person(vault_of("enrolment"), nobody, 1) is None


def test_a_deleted_key_leaves_the_file_that_it_lay_in(
    vault_of: VaultOf, kept: Kept, erase: Erase, owner: Engine, servers: Servers
) -> None:
    """A dead row still has its bytes on the disk; after the rewrite no file has them, nor the planner's statistics."""
    _, people, _ = kept
    person, other = (one.person_id for one in people)
    wrapped = {one: _wrapped(owner, one) for one in (person, other)}
    with owner.begin() as connection:
        connection.execute(text("ANALYZE data_keys"))
    erase(person)
    assert _on_disk(owner, servers, wrapped[person])
    shred_deleted_keys(vault_of("enrolment"))
    assert not _on_disk(owner, servers, wrapped[person])
    assert _on_disk(owner, servers, wrapped[other])
    assert PersonNames(vault_of("audit")).read([other])


def test_a_rewrite_that_an_older_transaction_spoils_is_not_taken_for_done(
    vault_of: VaultOf, kept: Kept, erase: Erase, owner: Engine
) -> None:
    """Whoever still sees the deleted row keeps it in the new file: it is done again after them."""
    _, people, _ = kept
    with owner.connect().execution_options(isolation_level="REPEATABLE READ") as older, older.begin():
        older.execute(text("SELECT count(*) FROM steps"))
        erase(people[0].person_id)
        with pytest.raises(VaultUnavailable, match="shred again"):
            shred_deleted_keys(vault_of("enrolment"))
    shred_deleted_keys(vault_of("enrolment"))


def _wrapped(owner: Engine, person: str) -> bytes:
    with owner.connect() as connection:
        query = text("SELECT wrapped FROM data_keys WHERE person_id = CAST(:person AS uuid)")
        return bytes(connection.execute(query, {"person": person}).scalar_one())


def _on_disk(owner: Engine, servers: Servers, content: bytes) -> bool:
    """Whether any file of the database holds these bytes, everything written and what is dropped unlinked."""
    with servers.postgres.connect() as administrator:
        administrator.execute("CHECKPOINT")
        (folder,) = administrator.execute("SHOW data_directory").fetchone() or ("",)
        name = owner.url.database
        row = administrator.execute("SELECT oid FROM pg_database WHERE datname = %s", (name,)).fetchone()
    assert row is not None
    files = [path for path in (Path(folder) / "base" / str(row[0])).iterdir() if path.is_file()]
    assert files
    return any(content in path.read_bytes() for path in files)
