"""Masks, and structs that hold personal values or keys: none shows by printing."""

from __future__ import annotations

import pytest

from shared.vault import errors
from shared.vault.accounts import OwnerKind, PayeeAccount, _Sealed
from shared.vault.directory import Handler
from shared.vault.disclosure import Disclosed
from shared.vault.names import PersonName, mask_id, mask_name
from shared.vault.persons import PersonStep, ResolvedPerson
from shared.vault.sealing import BlindIndex, SealingKey
from shared.vault.wrapping import MasterKeys, WrappedKey

NUMBER, NAME, PHONE, GROUP = "11010519491231002X", "欧阳小华", "13800138000", "REGISTERED_POOR"
ACCOUNT, BANK = "6222021234567890123", "中国工商银行"
KEY = b"k" * 32


@pytest.mark.parametrize(
    "holder",
    [
        PersonStep("d", NUMBER, NAME, PHONE, (GROUP,)),
        ResolvedPerson("p", {GROUP: "c"}),
        PersonName(NAME, NUMBER),
        Disclosed(digest="d", commitment="c", salt=KEY, value=GROUP),
        PayeeAccount(
            owner_kind=OwnerKind.PERSON, owner="p", number=ACCOUNT, holder=NAME, bank=BANK, salt=KEY
        ),
        _Sealed(ACCOUNT, NAME, BANK, KEY),
        Handler(handler_id="h", name=NAME, post="股长", organisation="o", duties=()),
        WrappedKey("mk-1", KEY),
        MasterKeys({"mk-1": KEY}),
        SealingKey(KEY),
        BlindIndex(KEY, "person"),
    ],
    ids=lambda holder: type(holder).__name__,
)
def test_printing_shows_no_value(holder: object) -> None:
    """Neither repr nor str nor a format shows what is personal or secret."""
    shown = f"{holder!r} {holder!s} {holder}"
    assert not [value for value in (NUMBER, NAME, PHONE, GROUP, ACCOUNT, BANK, "kkkk") if value in shown]


def test_every_error_of_the_vault_is_a_vault_error() -> None:
    """So that a caller can catch them all."""
    found = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, Exception)]
    assert len(found) >= 10
    assert all(issubclass(one, errors.VaultError) for one in found)


@pytest.mark.parametrize(
    ("name", "masked"),
    [("", "*"), ("张", "*"), ("张三", "张*"), ("欧小华", "欧*华"), (NAME, "欧**华")],
)
def test_a_masked_name_shows_its_first_and_last_character_at_most(name: str, masked: str) -> None:
    """A name of two shows the first alone."""
    assert mask_name(name) == masked


@pytest.mark.parametrize(
    ("number", "masked"),
    [(NUMBER, "1101************2X"), ("", ""), ("123456", "******"), ("1234567", "1234*67")],
)
def test_a_masked_id_hides_county_birth_date_and_sequence(number: str, masked: str) -> None:
    """The length stays, so that it is known for an ID number."""
    assert mask_id(number) == masked
