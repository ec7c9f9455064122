"""Payee accounts: owned by payment; enrolment only puts in those of institutions and can't read them back."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec
from sqlalchemy import Connection, bindparam, select

from shared.vault.database import among, insert_new
from shared.vault.errors import KeyGone, PersonUnreadable
from shared.vault.sealing import SealingKey, commitment, new_salt
from shared.vault.tables import payee_accounts
from shared.vault.vault import Vault

_INSTITUTIONS = "accounts"
_FIELD = "account"
_KNOWN = select(payee_accounts.c.account_id, payee_accounts.c.commitment).where(
    payee_accounts.c.owner_kind == bindparam("kind"),
    payee_accounts.c.owner == bindparam("owner"),
    payee_accounts.c.number_index == bindparam("index"),
)
_ACCOUNTS = select(payee_accounts).where(
    among(payee_accounts.c.account_id, "ids"),
    payee_accounts.c.sealed.is_not(None),
)


class OwnerKind(StrEnum):
    """Whose account it is: a person's (owner = person id) or an organisation's (owner = USCC)."""

    PERSON = "PERSON"
    INSTITUTION = "INSTITUTION"


@dataclass(frozen=True, slots=True)
class Registered:
    """An account that the vault keeps.

    Attributes:
        account_id: random.
        commitment: HMAC-SHA256(salt, account number), hex.
    """

    account_id: str
    commitment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PayeeAccount:
    """An account in full, for the bank file alone.

    Attributes:
        number: of the account, without spaces.
        holder: the name that the bank knows.
        bank: the bank's name or code.
        salt: of the commitment.
    """

    owner_kind: OwnerKind
    owner: str
    number: str = field(repr=False)
    holder: str = field(repr=False)
    bank: str = field(repr=False)
    salt: bytes = field(repr=False)


class _Sealed(msgspec.Struct, frozen=True):
    """What is sealed of an account, as JSON."""

    number: str
    holder: str
    bank: str
    salt: bytes

    def __repr__(self) -> str:
        return "_Sealed(***)"


_decoder = msgspec.json.Decoder(_Sealed)


class Accounts:
    """The accounts that money goes to."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def register(
        self, owner_kind: OwnerKind, owner: str, *, number: str, holder: str, bank: str
    ) -> Registered:
        """Keep an account; the same number of the same owner again gives what it gave before.

        Needs the grants of `vault_payment`, or of `vault_enrolment` for an institution's.

        Raises:
            PersonUnreadable: the owner is a person unknown or erased.
            VaultUnavailable: nothing has happened; do it again.
            VaultForbidden, VaultFault
        """
        number = "".join(number.split())
        index = self._vault.blind_index("account").of(owner_kind, owner, number)
        institutions = self._vault.sealing_key(_INSTITUTIONS) if owner_kind is OwnerKind.INSTITUTION else None
        by_number = {"kind": owner_kind.value, "owner": owner, "index": index}
        content = _Sealed(number, holder, bank, new_salt())
        with self._vault.begin() as connection:
            known = connection.execute(_KNOWN, by_number).one_or_none()
            if known is None:
                key = institutions or self._person_key(connection, owner)
                row = _row(key, owner, content)
                row |= {"owner_kind": owner_kind.value, "number_index": index}
                insert_new(connection, payee_accounts, [row])
                known = connection.execute(_KNOWN, by_number).one()
        return Registered(known.account_id, known.commitment)

    def read(self, account_ids: Collection[str]) -> dict[str, PayeeAccount]:
        """By account id; unknown ones and those of erased persons are missing.

        Needs the grants of `vault_payment`.

        Raises:
            VaultUnavailable, VaultForbidden, VaultFault
            SealBroken: the database was altered behind our back.
        """
        if not account_ids:
            return {}
        institutions = self._vault.known_sealing_key(_INSTITUTIONS)
        with self._vault.begin() as connection:
            rows = connection.execute(_ACCOUNTS, {"ids": list(account_ids)}).all()
            persons = {row.owner for row in rows if row.owner_kind == OwnerKind.PERSON}
            keys = self._vault.data_keys(connection, persons)
        found = {}
        for row in rows:
            kind = OwnerKind(row.owner_kind)
            key = institutions if kind is OwnerKind.INSTITUTION else keys.get(row.owner)
            content = None if key is None else _opened(key, row.sealed, row.owner, row.account_id)
            if content is not None:
                found[row.account_id] = PayeeAccount(
                    owner_kind=kind,
                    owner=row.owner,
                    number=content.number,
                    holder=content.holder,
                    bank=content.bank,
                    salt=content.salt,
                )
        return found

    def _person_key(self, connection: Connection, person: str) -> SealingKey:
        key = self._vault.data_keys(connection, [person]).get(person)
        if key is None:
            raise PersonUnreadable
        return key


def _row(key: SealingKey, owner: str, content: _Sealed) -> dict[str, object]:
    account_id = str(uuid.uuid4())
    return {
        "account_id": account_id,
        "owner": owner,
        "commitment": commitment(content.salt, content.number),
        "sealed": key.seal(msgspec.json.encode(content), owner, f"{_FIELD}/{account_id}"),
    }


def _opened(key: SealingKey, sealed: bytes, owner: str, account_id: str) -> _Sealed | None:
    try:
        return _decoder.decode(key.open(sealed, owner, f"{_FIELD}/{account_id}"))
    except KeyGone:  # registered before an erasure, after which the person enrolled anew
        return None
