"""A person's id: random, one for each ID number, whoever asks and however often."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from shared.vault.disclosure import disclose_groups
from shared.vault.names import PersonNames
from shared.vault.persons import PersonStep, PersonVault, ResolvedPerson
from shared.vault.sealing import commitment
from tests.component.vault.people import GROUPS, Count, VaultOf, digest_of, id_number, step
from zeren.stack.local import Servers

WAIT_SECONDS = 20


def test_one_id_number_has_one_random_id_in_every_service(vault_of: VaultOf, count: Count) -> None:
    """Enrolment and certification name the same person; nothing of the number is in the id."""
    first, other = step("enrolled"), step("registered")
    enrolled = PersonVault(vault_of("enrolment")).resolve([first])[first.digest]
    registered = PersonVault(vault_of("certification")).resolve([other])[other.digest]
    assert enrolled.person_id == registered.person_id
    assert UUID(enrolled.person_id).version == 4
    assert count("persons") == 1


def test_different_id_numbers_have_different_ids(vault_of: VaultOf) -> None:
    """A whole batch at once, in one call."""
    steps = [step(f"s{number}", number) for number in range(1, 60)]
    found = PersonVault(vault_of("enrolment")).resolve(steps)
    assert set(found) == {one.digest for one in steps}
    assert len({one.person_id for one in found.values()}) == len(steps)


def test_a_batch_may_name_one_person_twice(vault_of: VaultOf, count: Count) -> None:
    """Two submissions, two sets of commitments, one person."""
    first, second = step("a"), step("b", groups=GROUPS[:1])
    found = PersonVault(vault_of("enrolment")).resolve([first, second])
    assert found[first.digest].person_id == found[second.digest].person_id
    assert set(found[second.digest].commitments) == {GROUPS[0]}
    assert found[first.digest].commitments[GROUPS[0]] != found[second.digest].commitments[GROUPS[0]]
    assert (count("persons"), count("data_keys"), count("steps"), count("commitments")) == (1, 1, 2, 3)


def test_a_repetition_gets_the_stored_id_and_commitments(vault_of: VaultOf, count: Count) -> None:
    """The vault's step is keyed by the submission's digest: a crash after it repeats nothing."""
    vault = PersonVault(vault_of("enrolment"))
    one, new = step("a"), step("b", 2)
    first = vault.resolve([one])
    again = PersonVault(vault_of("enrolment")).resolve([new, one])
    assert again[one.digest] == first[one.digest]
    assert again[one.digest].person_id != again[new.digest].person_id
    assert (count("steps"), count("commitments"), count("sealed_values")) == (2, 4, 6)


def test_the_same_submission_at_two_workers_at_once_is_one_step(vault_of: VaultOf, count: Count) -> None:
    """Both get the same commitments, whoever was first."""
    workers = [PersonVault(vault_of("enrolment")) for _ in range(2)]
    for number in range(1, 16):
        one, barrier = step(f"s{number}", number), threading.Barrier(2)

        def resolve(
            vault: PersonVault, one: PersonStep = one, barrier: threading.Barrier = barrier
        ) -> dict[str, ResolvedPerson]:
            barrier.wait(WAIT_SECONDS)
            return vault.resolve([one])

        with ThreadPoolExecutor(2) as pool:
            left, right = pool.map(resolve, workers)
        assert left == right
    assert (count("steps"), count("commitments")) == (15, 30)


def test_two_services_inserting_many_persons_at_once_never_wait_in_a_circle(
    vault_of: VaultOf, count: Count
) -> None:
    """Opposite orders of the same people: no deadlock, the same ids. Four of a round are new to both."""
    services = [PersonVault(vault_of("enrolment")), PersonVault(vault_of("certification"))]
    for start in range(1, 100, 5):
        people = range(start, start + 20)
        batches = (
            [step(f"e{start}.{number}", number) for number in people],
            [step(f"c{start}.{number}", number) for number in reversed(people)],
        )
        barrier = threading.Barrier(2)

        def resolve(
            vault: PersonVault, batch: list[PersonStep], barrier: threading.Barrier = barrier
        ) -> dict[str, str]:
            barrier.wait(WAIT_SECONDS)
            found = vault.resolve(batch)
            return {one.national_id: found[one.digest].person_id for one in batch}

        with ThreadPoolExecutor(2) as pool:
            left, right = pool.map(resolve, services, batches)
        assert left == right
    assert count("persons") == count("data_keys") == 115


INSERT = text("INSERT INTO persons (person_id, blind_index) VALUES (gen_random_uuid(), :index)")


def wait_until_blocked(servers: Servers, database: str | None, call: Future[Any]) -> None:
    """Return once a session of the database waits for a lock; fail if the call ends without."""
    with servers.postgres.connect(database) as watcher:
        waiting = """SELECT 1 FROM pg_stat_activity
                     WHERE wait_event_type = 'Lock' AND datname = current_database()"""
        while watcher.execute(waiting).fetchone() is None:
            assert not call.done()


def test_who_comes_second_waits_for_the_first_and_gets_its_id(
    vault_of: VaultOf, owner: Engine, servers: Servers
) -> None:
    """A rival's uncommitted person is waited for: the interleaving is forced, not hoped for."""
    one, vault = step("late"), vault_of("enrolment")
    index = vault.blind_index("person").of(one.national_id)
    with owner.connect() as rival, ThreadPoolExecutor(1) as pool:
        rival.execute(INSERT, {"index": index})
        first = rival.execute(text("SELECT person_id::text FROM persons")).scalar_one()
        second = pool.submit(PersonVault(vault).resolve, [one])
        wait_until_blocked(servers, owner.url.database, second)
        rival.commit()
        assert second.result(WAIT_SECONDS)[one.digest].person_id == first


def test_persons_are_taken_in_blind_index_order_whatever_the_batchs_order(
    vault_of: VaultOf, owner: Engine, servers: Servers, count: Count
) -> None:
    """A rival that holds the lower of two goes on to the higher: whoever took that first would deadlock."""
    vault = vault_of("enrolment")
    index = vault.blind_index("person")
    low, high = sorted((step("a", 1), step("b", 2)), key=lambda one: index.of(one.national_id))
    with owner.connect() as rival, ThreadPoolExecutor(1) as pool:
        rival.execute(INSERT, {"index": index.of(low.national_id)})
        resolving = pool.submit(PersonVault(vault).resolve, [high, low])
        wait_until_blocked(servers, owner.url.database, resolving)
        rival.execute(INSERT, {"index": index.of(high.national_id)})
        rival.commit()
        assert len(resolving.result(WAIT_SECONDS)) == count("persons") == 2


def test_a_commitment_is_proven_by_its_disclosed_salt_and_value(vault_of: VaultOf) -> None:
    """Payment opens a single group; salts are fresh for each submission."""
    one, other = step("a"), step("b")
    found = PersonVault(vault_of("enrolment")).resolve([one, other])
    disclosed = disclose_groups(vault_of("payment"), found[one.digest].person_id)
    assert {(row.digest, row.value) for row in disclosed} == {
        (submission.digest, group) for submission in (one, other) for group in GROUPS
    }
    for row in disclosed:
        assert commitment(row.salt, row.value) == row.commitment == found[row.digest].commitments[row.value]
    assert len({row.salt for row in disclosed}) == 4
    assert {len(row.salt) for row in disclosed} == {32}


def test_names_are_read_and_masked_for_the_entitled(vault_of: VaultOf) -> None:
    """A stranger is missing, not an error."""
    one = step("a")
    person = PersonVault(vault_of("enrolment")).resolve([one])[one.digest].person_id
    found = PersonNames(vault_of("audit")).read([person, "22222222-2222-4222-8222-222222222222"])
    assert set(found) == {person}
    assert (found[person].name, found[person].national_id) == ("林小梅", one.national_id)
    assert (found[person].masked_name, found[person].masked_id) == (
        "林*梅",
        f"3501************{one.national_id[-2:]}",
    )
    assert PersonNames(vault_of("payment")).read([person]) == found
    assert PersonNames(vault_of("audit")).read([]) == {}


def test_values_stay_as_first_submitted(vault_of: VaultOf) -> None:
    """No service can alter what was sealed of a person; what differs lies in the evidence."""
    vault = PersonVault(vault_of("enrolment"))
    first = step("a")
    person = vault.resolve([first])[first.digest].person_id
    vault.resolve([step("b", name="另一个名字")])
    assert PersonNames(vault_of("audit")).read([person])[person].name == "林小梅"


def test_the_issuer_finds_a_person_by_id_number(vault_of: VaultOf) -> None:
    """None before anybody was resolved, and for strangers; a lower-case check character is the same."""
    issuer = PersonVault(vault_of("issuer"))
    number = next(id_number(n) for n in range(1, 99) if id_number(n).endswith("X"))
    assert issuer.person_by_national_id(number) is None
    one = step("a", int(number[14:17]))
    person = PersonVault(vault_of("enrolment")).resolve([one])[one.digest].person_id
    assert issuer.person_by_national_id(number) == person
    assert issuer.person_by_national_id(number.lower()) == person
    assert issuer.person_by_national_id(id_number(999)) is None


def test_an_empty_batch_asks_nothing(vault_of: VaultOf, count: Count) -> None:
    """Not even the index secret is drawn."""
    assert PersonVault(vault_of("enrolment")).resolve([]) == {}
    assert count("service_keys") == 0


@pytest.mark.parametrize("value", ["林小梅", id_number(1), "13800130001", *GROUPS])
def test_no_personal_value_stands_in_any_table(vault_of: VaultOf, owner: Engine, value: str) -> None:
    """Every column of every table, texts and bytes alike."""
    PersonVault(vault_of("enrolment")).resolve([step("a")])
    with owner.connect() as connection:
        tables = connection.execute(
            text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        ).scalars()
        stored = [
            column if isinstance(column, bytes) else str(column).encode()
            for table in tables
            for row in connection.execute(text(f'TABLE "{table}"'))
            for column in row
        ]
    assert digest_of("a").encode() in stored
    assert not [column for column in stored if value.encode() in column]
