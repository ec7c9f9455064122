"""What read models leave to the collector: its rounds stop the process, and grow with what they find."""

from __future__ import annotations

import gc
from uuid import uuid4

from shared.eventstore.changes import Changes, Reads
from shared.eventstore.projector import OwnFacts, Projector
from shared.eventstore.sql import SqlStore
from tests.component.eventstore.approvals import metadata, projection
from tests.component.eventstore.test_store_behaviours import fact

PAGES = 20
LOOKS = 20
WARM = 5


def test_a_page_and_a_look_leave_it_hardly_anything(engines, monkeypatch):
    """Statements are made once; one made for every page leaves some seventy objects."""
    monkeypatch.setattr("shared.eventstore.projector.PAGE", 1)
    engine = engines()
    metadata.create_all(engine)
    store = SqlStore(engine)
    facts = [fact(str(uuid4()), note="n") for _ in range(WARM + PAGES)]
    store.commit(Changes(store.head(), Reads(), facts))
    projector = Projector(engine, OwnFacts("enrolment", store), [projection])
    assert [projector.project_some() for _ in range(WARM)] == [1] * WARM
    gc.collect()
    gc.disable()
    try:
        assert [projector.project_some() for _ in range(PAGES)] == [1] * PAGES
        assert [projector.project_some() for _ in range(LOOKS)] == [0] * LOOKS
        left = gc.collect()
    finally:
        gc.enable()
    assert left < PAGES + LOOKS, f"{left} objects"
