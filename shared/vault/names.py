"""Names and ID numbers of persons, for the entitled; and their masked forms for notices and lists."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy import select

from shared.vault.database import among
from shared.vault.errors import KeyGone
from shared.vault.persons import NAME, NATIONAL_ID
from shared.vault.tables import persons, sealed_values
from shared.vault.vault import Vault

_VALUES = select(sealed_values.c.person_id, sealed_values.c.field, sealed_values.c.sealed).where(
    among(sealed_values.c.person_id, "persons"),
    sealed_values.c.field.in_((NAME, NATIONAL_ID)),
)

_ERASED = select(persons.c.person_id).where(
    among(persons.c.person_id, "persons"), persons.c.erased_at.is_not(None)
)


@dataclass(frozen=True, slots=True)
class PersonName:
    """A person's name and ID number, in full."""

    name: str = field(repr=False)
    national_id: str = field(repr=False)

    @property
    def masked_name(self) -> str:
        """See `mask_name`."""
        return mask_name(self.name)

    @property
    def masked_id(self) -> str:
        """See `mask_id`."""
        return mask_id(self.national_id)


class PersonNames:
    """Reads names. Needs the grants of `vault_audit` or `vault_payment`; each reading by a person is a fact."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def read(self, person_ids: Collection[str]) -> dict[str, PersonName]:
        """By person id; who is unknown or erased is missing.

        Raises:
            VaultUnavailable, VaultForbidden, VaultFault
            SealBroken: the database was altered behind our back.
        """
        if not person_ids:
            return {}
        values: dict[str, dict[str, str]] = {}
        with self._vault.begin() as connection:
            rows = connection.execute(_VALUES, {"persons": list(person_ids)}).all()
            keys = self._vault.data_keys(connection, person_ids)
        for person, name, sealed in rows:
            if person in keys:
                with suppress(KeyGone):  # erased between the two queries, and enrolled anew
                    opened = keys[person].open(sealed, person, name)
                    values.setdefault(person, {})[name] = opened.decode()
        return {
            person: PersonName(found.get(NAME, ""), found.get(NATIONAL_ID, ""))
            for person, found in values.items()
        }

    def erased(self, person_ids: Collection[str]) -> set[str]:
        """Those of them who were erased, though they may have enrolled anew since. Needs `vault_audit`'s grants.

        Raises: VaultUnavailable, VaultForbidden, VaultFault.
        """
        if not person_ids:
            return set()
        with self._vault.begin() as connection:
            return set(connection.execute(_ERASED, {"persons": list(person_ids)}).scalars())


def mask_id(number: str) -> str:
    """An ID number's first four and last two characters: 3501************1X.

    The county and the sequence digits together would leave under 2,000 candidates, so they are hidden.
    """
    return number[:4] + "*" * (len(number) - 6) + number[-2:] if len(number) > 6 else "*" * len(number)


def mask_name(name: str) -> str:
    """The first character, and the last of a name of three or more: 张*, 欧*华."""
    if len(name) < 2:
        return "*"
    return f"{name[0]}*" if len(name) == 2 else f"{name[0]}{'*' * (len(name) - 2)}{name[-1]}"
