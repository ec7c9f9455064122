"""Payee accounts: registered once, read by payment alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.vault.accounts import Accounts, OwnerKind
from shared.vault.errors import PersonUnreadable
from shared.vault.persons import PersonVault
from shared.vault.sealing import commitment
from tests.component.vault.people import Count, VaultOf, step

USCC = "91110000600037341L"
INSTITUTION = {"number": "6222021234567890123", "holder": "福州市某某职业培训学校", "bank": "中国工商银行"}
PERSON = {"number": "6217001234567890", "holder": "林小梅", "bank": "中国建设银行"}


def test_an_institutions_account_put_in_by_enrolment_is_read_by_payment(vault_of: VaultOf) -> None:
    """With the salt that proves the commitment in the fact."""
    registered = Accounts(vault_of("enrolment")).register(OwnerKind.INSTITUTION, USCC, **INSTITUTION)
    found = Accounts(vault_of("payment")).read([registered.account_id])[registered.account_id]
    assert (found.owner_kind, found.owner) == (OwnerKind.INSTITUTION, USCC)
    assert {"number": found.number, "holder": found.holder, "bank": found.bank} == INSTITUTION
    assert commitment(found.salt, found.number) == registered.commitment


def test_a_persons_account_is_sealed_for_that_person(vault_of: VaultOf) -> None:
    """Registered by payment, from the request of a claim."""
    one = step("a")
    person = PersonVault(vault_of("enrolment")).resolve([one])[one.digest].person_id
    accounts = Accounts(vault_of("payment"))
    registered = accounts.register(OwnerKind.PERSON, person, **PERSON)
    assert accounts.read([registered.account_id])[registered.account_id].number == PERSON["number"]


def test_the_same_number_of_the_same_owner_is_one_account(vault_of: VaultOf, count: Count) -> None:
    """Spaces don't make it another; another owner or number does."""
    accounts = Accounts(vault_of("enrolment"))
    first = accounts.register(OwnerKind.INSTITUTION, USCC, **INSTITUTION)
    spaced = {**INSTITUTION, "number": "6222 0212 3456 7890 123"}
    assert accounts.register(OwnerKind.INSTITUTION, USCC, **spaced) == first
    others = [
        accounts.register(OwnerKind.INSTITUTION, "11320000MB151840XJ", **INSTITUTION),
        accounts.register(OwnerKind.INSTITUTION, USCC, **{**INSTITUTION, "number": "6222021234567890124"}),
    ]
    assert len({first.account_id, *(one.account_id for one in others)}) == 3
    assert count("payee_accounts") == 3


def test_one_account_registered_at_once_by_two_workers_is_one(vault_of: VaultOf, count: Count) -> None:
    """Both get the id of whoever was first."""
    workers = [Accounts(vault_of("payment")), Accounts(vault_of("enrolment"))]
    with ThreadPoolExecutor(8) as pool:
        calls = [
            pool.submit(workers[n % 2].register, OwnerKind.INSTITUTION, USCC, **INSTITUTION)
            for n in range(24)
        ]
        assert len({call.result() for call in calls}) == 1
    assert count("payee_accounts") == 1


def test_an_account_of_an_unknown_person_is_refused(vault_of: VaultOf, count: Count) -> None:
    """There is no key to seal it under."""
    stranger = "22222222-2222-4222-8222-222222222222"
    with pytest.raises(PersonUnreadable):
        Accounts(vault_of("payment")).register(OwnerKind.PERSON, stranger, **PERSON)
    assert count("payee_accounts") == 0


def test_an_unknown_account_is_missing(vault_of: VaultOf) -> None:
    """Not an error: the caller says what that means."""
    accounts = Accounts(vault_of("payment"))
    assert accounts.read(["22222222-2222-4222-8222-222222222222"]) == {}
    assert accounts.read([]) == {}
