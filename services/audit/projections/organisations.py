"""What is an organisation called? From enrolment's facts that the kernel keeps here; public, not personal."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ARRAY, Connection, Uuid, func, literal, select

from shared.contracts.enrolment import InstitutionRegistered
from shared.contracts.fact import decode, type_of
from shared.eventstore.tables import foreign_facts
from shared.identity import institution_id

_REGISTERED = type_of("enrolment", InstitutionRegistered).name


def organisation_names(connection: Connection, usccs: Iterable[str]) -> dict[str, str]:
    """Names by USCC; one that is not registered, or not yet known here, is left out."""
    subjects = [institution_id(uscc) for uscc in usccs]
    wanted = func.any(literal(subjects, ARRAY(Uuid(as_uuid=False))))
    query = select(foreign_facts.c.state).where(
        foreign_facts.c.type == _REGISTERED, foreign_facts.c.subject == wanted
    )
    facts = [decode(state, _REGISTERED).data for state in connection.scalars(query)]
    return {fact.uscc: fact.name for fact in facts}
