"""The library's own persistence test cases, against our recorder on a real PostgreSQL.

Not run, with the reason:
- AggregateRecorderTestCase: for recorders without positions (it wants `None` back from every insert).
- InfrastructureFactoryTestCase: we build the recorder ourselves, there is no factory of ours to judge.
- TranscoderTestCase, MapperTestCase: facts are encoded by msgspec, the library's transcoder and mapper are unused.
- optional_test_insert_subscribe: wake-ups are our relay's own LISTEN with a poll; `subscribe` is the library's,
  unchanged and unused.
- DCB recorders: not used (docs/adr/0004).
"""

from __future__ import annotations

import pytest
from eventsourcing.tests.persistence import (
    ApplicationRecorderTestCase,
    NonInterleavingNotificationIDsBaseCase,
    ProcessRecorderTestCase,
    TrackingRecorderTestCase,
)
from sqlalchemy import make_url

from shared.eventstore.recorder import BatchRecorder, RowDatastore


class OnPostgres:
    """Gives each case a recorder on a database of its own."""

    @pytest.fixture(autouse=True)
    def _database(self, fresh_database):
        self.url = make_url(fresh_database())
        self.stores = []
        yield
        for store in self.stores:
            store.close()

    def create_recorder(self) -> BatchRecorder:
        """A fresh recorder with its tables."""
        store = RowDatastore(
            dbname=self.url.database,
            host=self.url.host,
            port=str(self.url.port),
            user=self.url.username,
            password=self.url.password,
        )
        self.stores.append(store)
        recorder = BatchRecorder(store, tracking_table_name="tracking")
        recorder.create_table()
        return recorder


class TestApplicationRecorder(OnPostgres, ApplicationRecorderTestCase):
    """Notifications in order, and concurrent writers."""


class TestTrackingRecorder(OnPostgres, TrackingRecorderTestCase):
    """Tracking beside the events."""


class TestProcessRecorder(OnPostgres, ProcessRecorderTestCase):
    """Events and tracking in one transaction."""


class TestNonInterleavingIds(OnPostgres, NonInterleavingNotificationIDsBaseCase):
    """Two writers never interleave their positions: commit order is position order."""
