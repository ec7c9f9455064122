"""Deleting a person's data key makes all the rest unreadable, and breaks nothing that proves."""

from __future__ import annotations

import pytest

from shared.vault.accounts import Accounts, OwnerKind
from shared.vault.disclosure import disclose_groups
from shared.vault.errors import PersonUnreadable
from shared.vault.evidence import Evidence
from shared.vault.names import PersonNames
from shared.vault.persons import PersonStep, PersonVault, ResolvedPerson
from tests.component.vault.people import GROUPS, Count, Erase, VaultOf, step

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
