"""Names for the entitled: rendered from the vault, and each such reading is a fact before it is an answer."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.audit.domain.reading import RecordReading, readings, readings_id
from shared.access.actor import Actor
from shared.access.commands import Commanded
from shared.contracts.fact import PROVINCE
from shared.eventstore.businessdate import business_date, business_day_reads
from shared.eventstore.changes import Reads
from shared.eventstore.desk import Draft
from shared.eventstore.execute import Executor
from shared.identity import is_uuid
from shared.refusal import Refusal

AUDITOR = "AUDITOR"
ERASED = "（已删除 / erased）"
"""Shown for a person whose data is erased: the facts about them stand, their name is nowhere."""

People = Callable[[Collection[str]], Mapping[str, tuple[str, str, str]]]
"""Handlers' ids to (name, post, organisation); unknown ones are left out."""
Persons = Callable[[Collection[str]], Mapping[str, str]]
"""Persons' ids to masked names, `ERASED` in the place of an erased one's; unknown ones are left out."""


@dataclass(frozen=True, slots=True)
class Directory:
    """The vault, as far as audit may ask it."""

    people: People
    persons: Persons


@dataclass(frozen=True, slots=True)
class Named:
    """What may be shown: nothing where the caller is not entitled or gave no reason."""

    shown: bool = False
    people: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    persons: Mapping[str, str] = field(default_factory=dict)

    def of(self, kind: str, name: str) -> dict[str, str]:
        """The fields to show beside an actor's id."""
        if kind == "handler" and name in self.people:
            shown, post, organisation = self.people[name]
            return {"name": shown, "post": post, "organisation": organisation}
        if kind == "person" and name in self.persons:
            return {"name": self.persons[name]}
        return {}


@dataclass(frozen=True, slots=True)
class _Reading:
    """The fact that someone is shown personal data, as a unit of work."""

    commanded: Commanded
    subject: str
    fields: tuple[str, ...]
    reason: str

    def reads(self, draft: Draft) -> Reads:
        """The business date, and the reader's stream of that day."""
        return business_day_reads() | Reads(streams=frozenset((self._stream(draft),)))

    def perform(self, draft: Draft) -> Refusal | None:
        """Stages the fact."""
        reader = self.commanded.actor.id
        command = RecordReading(reader=reader, subject=self.subject, fields=self.fields, reason=self.reason)
        stream = self._stream(draft)
        case = self.subject if is_uuid(self.subject) else stream  # a digest or a handler's name is no case
        given = self.commanded.given(draft, region=PROVINCE, correlation=case, duty=AUDITOR)
        try:
            draft.execute(readings, stream, command, given)
        except Refusal as refusal:
            draft.abandon()
            return refusal
        return None

    def _stream(self, draft: Draft) -> str:
        return readings_id(self.commanded.actor.id, business_date(draft))


class Names:
    """Who is entitled is shown names; the reading is recorded first."""

    def __init__(self, executor: Executor, directory: Directory) -> None:
        self._executor = executor
        self._directory = directory

    def look_up(
        self, commanded: Commanded, subject: str, reason: str, actors: Collection[tuple[str, str]]
    ) -> Named:
        """Names of (kind, id) pairs; other kinds than handlers and persons have none here.

        Raises: Refusal (a malformed reason), WorkFailed, StoreError: then nothing is shown.
        """
        handlers = sorted({name for kind, name in actors if kind == "handler"})
        persons = sorted({name for kind, name in actors if kind == "person"})
        if not is_auditor(commanded.actor) or not reason or not (handlers or persons):
            return Named()
        fields: tuple[str, ...] = ("handler.name", "handler.post", "handler.organisation") if handlers else ()
        fields += ("person.masked_name",) if persons else ()
        self.record(commanded, subject, fields, reason)
        return Named(
            shown=True,
            people=self._directory.people(handlers) if handlers else {},
            persons=self._directory.persons(persons) if persons else {},
        )

    def record(self, commanded: Commanded, subject: str, fields: tuple[str, ...], reason: str) -> None:
        """Records that somebody is about to be shown these fields. Raises: as `look_up`; show nothing then."""
        refusal: Any = self._executor.run([_Reading(commanded, subject, fields, reason)]).results[0]
        if refusal is not None:
            raise refusal


def is_auditor(actor: Actor) -> bool:
    """Whether names may be shown to the actor at all."""
    return actor.kind == "handler" and AUDITOR in actor.duties
