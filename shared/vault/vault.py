"""The vault as its users hold it: the database, the master keys, and the keys in between.

    master key (key file or KMS)
    ├── data key of each person      name, ID number, phone, commitments' values, raw submissions, accounts
    └── service keys                 index secret, evidence that names nobody, institutions' accounts, directory

The index secret is a wrapped row like any other service key, not derived from a master key: so it lasts while
master keys change, and a KMS needs to know nothing but wrapping.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractContextManager

from sqlalchemy import Connection, Engine, select

from shared.vault.database import among, autocommit, insert_new, transaction
from shared.vault.sealing import BlindIndex, SealingKey, new_key
from shared.vault.tables import data_keys, service_keys
from shared.vault.wrapping import KeyWrapper, WrappedKey

_INDEXES = "index"
_DATA_KEYS = select(data_keys).where(among(data_keys.c.person_id, "persons"))


class Vault:
    """One vault database as one role sees it. Blocking; may be shared by threads."""

    def __init__(self, engine: Engine, wrapper: KeyWrapper) -> None:
        """Args: engine: of `make_engine`, connected as the service's own role (`vault_<service>`)."""
        self._engine = engine
        self._wrapper = wrapper
        self._service_keys: dict[str, bytes] = {}

    def begin(self) -> AbstractContextManager[Connection]:
        """One transaction; see `transaction` for its errors."""
        return transaction(self._engine)

    def maintenance(self) -> AbstractContextManager[Connection]:
        """A connection outside any transaction; see `autocommit`."""
        return autocommit(self._engine)

    def blind_index(self, purpose: str) -> BlindIndex:
        """The index of a purpose; its secret is drawn at the vault's first use."""
        return BlindIndex(self._service_key(_INDEXES), purpose)

    def known_blind_index(self, purpose: str) -> BlindIndex | None:
        """The same for roles that only read: None where nothing was ever indexed."""
        secret = self._known_service_key(_INDEXES)
        return None if secret is None else BlindIndex(secret, purpose)

    def sealing_key(self, name: str) -> SealingKey:
        """The service key of this name, drawn at its first use."""
        return SealingKey(self._service_key(name))

    def known_sealing_key(self, name: str) -> SealingKey | None:
        """The same for roles that only read: None where nothing was ever sealed with it."""
        key = self._known_service_key(name)
        return None if key is None else SealingKey(key)

    def _service_key(self, name: str) -> bytes:
        known = self._known_service_key(name)
        if known is not None:
            return known
        # Committed before anything is sealed or indexed with it: a key must never be lost with a transaction.
        with self.begin() as connection:
            wrapped = self._wrapper.wrap(new_key(), name)
            row = {"name": name, "key_id": wrapped.key_id, "wrapped": wrapped.wrapped}
            insert_new(connection, service_keys, [row])
        kept = self._known_service_key(name)
        assert kept is not None, "a service key is never deleted"
        return kept

    def _known_service_key(self, name: str) -> bytes | None:
        if name not in self._service_keys:
            with self.begin() as connection:
                row = connection.execute(
                    select(service_keys).where(service_keys.c.name == name)
                ).one_or_none()
            if row is None:
                return None
            self._service_keys[name] = self._wrapper.unwrap(WrappedKey(row.key_id, row.wrapped), name)
        return self._service_keys[name]

    def data_keys(self, connection: Connection, persons: Collection[str]) -> dict[str, SealingKey]:
        """The data keys of these persons; who is unknown or erased is missing."""
        if not persons:
            return {}
        rows = connection.execute(_DATA_KEYS, {"persons": list(persons)})
        return {
            row.person_id: SealingKey(
                self._wrapper.unwrap(WrappedKey(row.key_id, row.wrapped), row.person_id)
            )
            for row in rows
        }

    def make_data_keys(self, connection: Connection, persons: Collection[str]) -> None:
        """Give each of these persons a data key unless one is there, in the order given."""
        rows = []
        for person in persons:
            wrapped = self._wrapper.wrap(new_key(), person)
            rows.append({"person_id": person, "key_id": wrapped.key_id, "wrapped": wrapped.wrapped})
        insert_new(connection, data_keys, rows)
