"""Change of the master key: everything stays readable, and the blind index stays the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from shared.vault import rewrap as rewrap_module
from shared.vault.accounts import Accounts, OwnerKind
from shared.vault.errors import SealBroken, UnknownMasterKey
from shared.vault.evidence import Evidence
from shared.vault.keyfile import add_key, create_key_file, read_key_file
from shared.vault.names import PersonNames
from shared.vault.persons import PersonVault
from shared.vault.rewrap import rewrap
from shared.vault.sealing import new_key
from shared.vault.vault import Vault
from shared.vault.wrapping import MasterKeys
from tests.component.vault.people import Count, EngineOf, VaultOf, step

ACCOUNT = {"number": "6222021234567890123", "holder": "某某学校", "bank": "中国工商银行"}
SHEET = "0" * 64


def fill(vault: Vault) -> tuple[dict[str, str], str]:
    """Seven persons, a sheet and an account; gives person ids by digest, and the account's id."""
    steps = [step(f"s{number}", number) for number in range(1, 8)]
    people = {digest: found.person_id for digest, found in PersonVault(vault).resolve(steps).items()}
    Evidence(vault, "enrolment").seal([(SHEET, b"sheet", None)])
    return people, Accounts(vault).register(OwnerKind.INSTITUTION, "91110000600037341L", **ACCOUNT).account_id


def test_after_rewrap_the_old_master_key_is_not_needed(
    engine_of: EngineOf, owner: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything opens with the new key alone; the same ID number still gives the same id. In small chunks."""
    monkeypatch.setattr(rewrap_module, "CHUNK", 3)
    path = tmp_path / "master.key"
    old_id = create_key_file(path)
    people, account = fill(Vault(engine_of("vault_enrolment"), read_key_file(path)))
    new_id = add_key(path)
    assert rewrap(owner, read_key_file(path)) == 7 + 3
    assert rewrap(owner, read_key_file(path)) == 0

    path.write_text(path.read_text().splitlines(keepends=True)[0])
    keys = read_key_file(path)
    assert (keys.current, repr(keys)) == (new_id, f"MasterKeys({new_id})")
    assert old_id != new_id
    vault = Vault(engine_of("vault_enrolment"), keys)
    again = [step(f"again{number}", number) for number in range(1, 8)]
    assert {found.person_id for found in PersonVault(vault).resolve(again).values()} == set(people.values())
    assert Evidence(vault, "enrolment").open(SHEET) == b"sheet"
    names = PersonNames(Vault(engine_of("vault_audit"), keys)).read(list(people.values()))
    assert len(names) == 7
    accounts = Accounts(Vault(engine_of("vault_payment"), keys)).read([account])
    assert accounts[account].number == ACCOUNT["number"]


def test_a_service_reads_on_while_old_and_new_keys_wrap(engine_of: EngineOf, owner: Engine) -> None:
    """Between adding a key and the rewrap both are in use."""
    old = {"mk-1": new_key()}
    both = MasterKeys({"mk-2": new_key(), **old})
    first = step("a", 1)
    PersonVault(Vault(engine_of("vault_enrolment"), MasterKeys(old))).resolve([first])
    second, third = step("b", 2), step("c", 1)
    mixed = PersonVault(Vault(engine_of("vault_enrolment"), both))
    found = mixed.resolve([second, third, first])
    assert found[third.digest].person_id == found[first.digest].person_id
    with owner.connect() as connection:
        ids = connection.execute(text("SELECT DISTINCT key_id FROM data_keys ORDER BY 1")).scalars().all()
    assert ids == ["mk-1", "mk-2"]


def test_another_key_file_is_noticed_before_anything_is_indexed_under_it(
    engine_of: EngineOf, count: Count
) -> None:
    """A new index secret would silently give everybody a second id."""
    PersonVault(Vault(engine_of("vault_enrolment"), MasterKeys({"mk-1": new_key()}))).resolve([step("a")])
    stranger = Vault(engine_of("vault_enrolment"), MasterKeys({"mk-9": new_key()}))
    with pytest.raises(UnknownMasterKey, match="mk-1"):
        PersonVault(stranger).resolve([step("b")])
    assert count("persons") == 1


def test_a_data_key_moved_to_another_person_does_not_open(vault_of: VaultOf, owner: Engine) -> None:
    """Whoever can write the database can't make one person readable as another."""
    steps = [step("a", 1), step("b", 2)]
    people = [found.person_id for found in PersonVault(vault_of("enrolment")).resolve(steps).values()]
    with owner.begin() as connection:
        connection.execute(
            text(
                "UPDATE data_keys SET (key_id, wrapped) = (SELECT key_id, wrapped FROM data_keys "
                "WHERE person_id = :source) WHERE person_id = :target"
            ),
            {"source": people[0], "target": people[1]},
        )
    names = PersonNames(vault_of("audit"))
    assert set(names.read(people[:1])) == {people[0]}
    with pytest.raises(SealBroken):
        names.read(people[1:])


def test_two_processes_that_start_together_draw_one_index_secret(vault_of: VaultOf, count: Count) -> None:
    """The first one's is stored and used by both."""
    left, right = vault_of("enrolment"), vault_of("certification")
    assert left.known_blind_index("person") is None
    assert left.blind_index("person").of("x") == right.blind_index("person").of("x")
    assert count("service_keys") == 1
