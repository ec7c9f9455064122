"""An organisation on the books, and its keys."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from services.enrolment.domain import institution as organisations
from services.enrolment.domain.institution import (
    PayeeAccount,
    RegisterInstitution,
    RegisterKey,
    RevokeKey,
    institution,
)
from shared.contracts.enrolment import (
    InstitutionKeyRegistered,
    InstitutionKeyRevoked,
    InstitutionRegistered,
    PayeeAccountRegistered,
)
from shared.testing.scenario import given
from tests.domain.enrolment.facts import BODY, OTHER_SCHOOL, REGION, SCHOOL

SINCE, LATER = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
PUBLIC_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
OTHER_KEY = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA"
ACCOUNT = PayeeAccount(account_id="a-1", commitment="c" * 64)

registered = InstitutionRegistered(uscc=SCHOOL, name="福州某某培训学校", kind="TRAINING", region=REGION)
account = PayeeAccountRegistered(uscc=SCHOOL, account_id="a-1", commitment="c" * 64)
key = InstitutionKeyRegistered(
    uscc=SCHOOL,
    kind="TRAINING",
    region=REGION,
    key_id="k-1",
    public_key=PUBLIC_KEY,
    valid_from=SINCE,
    valid_until=None,
)


def register(**changes: Any) -> RegisterInstitution:
    """The school, or another by `changes`."""
    plain: dict[str, Any] = {
        "uscc": SCHOOL,
        "name": "福州某某培训学校",
        "kind": "TRAINING",
        "region": REGION,
        "region_known": True,
        "account": ACCOUNT,
    }
    return RegisterInstitution(**(plain | changes))


def register_key(**changes: Any) -> RegisterKey:
    """The school's key, or another by `changes`."""
    plain: dict[str, Any] = {
        "uscc": SCHOOL,
        "key_id": "k-1",
        "public_key": PUBLIC_KEY,
        "valid_from": SINCE,
        "valid_until": None,
        "holder": None,
    }
    return RegisterKey(**(plain | changes))


def test_a_training_institution_is_registered_with_its_payee_account():
    given(institution).when(register()).then(registered, account)


def test_an_assessment_body_needs_no_account():
    body = InstitutionRegistered(uscc=BODY, name="福州某某评价中心", kind="ASSESSMENT", region=REGION)
    command = register(uscc=BODY, name="福州某某评价中心", kind="ASSESSMENT", account=None)
    given(institution).when(command).then(body)


def test_a_training_institution_without_an_account_is_refused():
    given(institution).when(register(account=None)).then_refused(organisations.PayeeAccountMissing, "account")


def test_a_wrong_check_character_is_refused():
    given(institution).when(register(uscc=SCHOOL[:-1] + "8")).then_refused(organisations.UsccInvalid, "uscc")


def test_an_authority_that_nobody_knows_is_refused():
    command = register(region="350199", region_known=False)
    given(institution).when(command).then_refused(organisations.RegionUnknown, "region")


def test_the_same_registration_again_changes_nothing():
    given(institution, registered, account).when(register()).then_nothing()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "福州另一培训学校"}, "name"),
        ({"kind": "BANK"}, "kind"),
        ({"region": "350200"}, "region"),
        ({"account": PayeeAccount(account_id="a-2", commitment="d" * 64)}, "account"),
    ],
)
def test_other_particulars_are_refused_naming_which(changes: dict[str, Any], field: str):
    """Above all the account: nobody diverts an institution's money by registering it again."""
    command = register(**changes)
    given(institution, registered, account).when(command).then_refused(organisations.AlreadyRegistered, field)


def test_a_key_is_registered_with_the_organisation_s_kind_and_region():
    given(institution, registered, account).when(register_key()).then(key)


def test_a_second_key_stands_beside_the_first():
    command = register_key(key_id="k-2", public_key=OTHER_KEY, valid_from=LATER)
    fact = InstitutionKeyRegistered(
        uscc=SCHOOL,
        kind="TRAINING",
        region=REGION,
        key_id="k-2",
        public_key=OTHER_KEY,
        valid_from=LATER,
        valid_until=None,
    )
    given(institution, registered, account, key).when(command).then(fact)


def test_the_same_key_again_changes_nothing():
    given(institution, registered, key).when(register_key(holder=SCHOOL)).then_nothing()


def test_no_key_without_an_organisation():
    given(institution).when(register_key()).then_refused(organisations.InstitutionUnknown)


@pytest.mark.parametrize("changes", [{"public_key": OTHER_KEY}, {"valid_until": LATER}])
def test_a_key_id_never_comes_to_mean_something_else(changes: dict[str, Any]):
    command = register_key(holder=SCHOOL, **changes)
    given(institution, registered, key).when(command).then_refused(organisations.KeyUsed, "key_id")


def test_a_key_id_of_another_organisation_is_refused():
    """The `kid` alone finds the key, so it is unique in the province."""
    command = register_key(holder=OTHER_SCHOOL)
    given(institution, registered).when(command).then_refused(organisations.KeyUsed, "key_id")


@pytest.mark.parametrize(
    "text",
    [
        "",
        PUBLIC_KEY[:-4],
        PUBLIC_KEY + "=",
        PUBLIC_KEY[:-1] + "9",
        PUBLIC_KEY[:-1] + "é",
        "!" + PUBLIC_KEY[1:],
    ],
    ids=["empty", "short", "padded", "stray bits", "not ASCII", "not base64url"],
)
def test_a_public_key_is_32_bytes_in_its_one_canonical_text(text: str):
    command = register_key(public_key=text)
    given(institution, registered).when(command).then_refused(organisations.KeyMalformed, "public_key")


def test_a_key_ends_after_it_begins():
    command = register_key(valid_until=SINCE)
    given(institution, registered).when(command).then_refused(organisations.KeyPeriodEmpty, "valid_until")


def revoke(**changes: Any) -> RevokeKey:
    """The school's key ends, or another by `changes`."""
    plain: dict[str, Any] = {"uscc": SCHOOL, "key_id": "k-1", "valid_until": LATER, "reason": "COMPROMISED"}
    return RevokeKey(**(plain | changes))


revoked = InstitutionKeyRevoked(uscc=SCHOOL, key_id="k-1", valid_until=LATER, reason="COMPROMISED")


def test_a_key_is_revoked_from_an_instant_on_for_a_reason():
    given(institution, registered, key).when(revoke()).then(revoked)


def test_a_key_is_revoked_once():
    """Its end stands: a second revocation could only take good signatures back or let bad ones in."""
    command = revoke(valid_until=SINCE + (LATER - SINCE) / 2)
    given(institution, registered, key, revoked).when(command).then_refused(
        organisations.KeyRevokedAlready, "key_id"
    )


def test_an_unknown_key_is_not_revoked():
    given(institution, registered, key).when(revoke(key_id="k-9")).then_refused(
        organisations.KeyUnknown, "key_id"
    )


def test_a_key_never_ends_before_it_began():
    given(institution, registered, key).when(revoke(valid_until=SINCE)).then_refused(
        organisations.KeyPeriodEmpty, "valid_until"
    )


def test_a_revocation_never_lengthens_a_key():
    ending = msgspec.structs.replace(key, valid_until=LATER)
    given(institution, registered, ending).when(revoke()).then_refused(
        organisations.KeyEndsEarlier, "valid_until"
    )


def test_registering_a_revoked_key_again_does_not_revive_it():
    given(institution, registered, key, revoked).when(register_key(holder=SCHOOL)).then_nothing()
