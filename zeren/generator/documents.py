"""Submission documents, their detached signatures (RFC 7797), and the outbox that collects what is sent."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from random import Random
from typing import Any

from zeren.generator import ids
from zeren.generator.organisations import Organisation


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of submission: the service that takes it, and the case that is its record key."""

    service: str
    case: Callable[[str, dict[str, Any]], str]


def _of_class(uscc: str, data: dict[str, Any]) -> str:
    return ids.class_id(uscc, data["class_ref"])


def _of_body(uscc: str, _data: dict[str, Any]) -> str:
    return uscc


KINDS = {
    "ApplyClass": Kind("enrolment", _of_class),
    "EnrolTrainee": Kind("enrolment", _of_class),
    "RecordAttendanceSheet": Kind("enrolment", _of_class),
    "CompleteClass": Kind("enrolment", _of_class),
    "RegisterCandidate": Kind(
        "certification", lambda uscc, data: ids.candidate_id(uscc, data["candidate_ref"])
    ),
    "RecordResults": Kind("certification", _of_body),
    "ApproveResults": Kind("certification", _of_body),
    "ApplySubsidy": Kind("payment", lambda uscc, data: ids.application_id(uscc, data["application_ref"])),
}


@dataclass(frozen=True, slots=True)
class Record:
    """A record for an intake topic.

    Attributes:
        phase: everything of a phase is drained before the next phase of the day.
        party: the USCC whose Kafka principal sends it.
        jws: None leaves the header out.
    """

    day: date
    phase: int
    party: str
    service: str
    key: str | None
    jws: str | None
    value: bytes


def base64url(content: bytes) -> str:
    """Base64url without padding (RFC 7515)."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def compact(content: Any) -> bytes:
    """JSON in UTF-8 without spaces."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def signature(organisation: Organisation, value: bytes, *, algorithm: str = "Ed25519") -> str:
    """A detached JWS with an unencoded payload (RFC 7797) over the exact bytes."""
    header = {"alg": algorithm, "b64": False, "crit": ["b64"], "kid": organisation.key_id}
    protected = base64url(compact(header))
    return f"{protected}..{base64url(organisation.key.sign(protected.encode() + b'.' + value))}"


class Outbox:
    """Everything that is sent, in order, and how often each case of real life occurs.

    Attributes:
        records: in the order of sending within a day and phase.
        cases: counts by name of the case, for the manifest.
    """

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._numbers: Counter[str] = Counter()
        self.records: list[Record] = []
        self.cases: Counter[str] = Counter()

    def document(
        self, sender: Organisation, kind: str, data: dict[str, Any], *, day: date, submission: str = ""
    ) -> bytes:
        """A document's bytes, with a new id unless one is given."""
        self._numbers[sender.uscc] += 1
        number = self._numbers[sender.uscc]
        return compact(
            {
                "specversion": "1.0",
                "id": submission or f"{kind}-{number:05d}",
                "source": sender.source,
                "type": f"zeren.submission.{kind}.v1",
                "time": f"{day}T{8 + number // 3600 % 10:02d}:{number // 60 % 60:02d}:{number % 60:02d}+08:00",
                "nonce": base64url(self._rng.randbytes(16)),
                "data": data,
            }
        )

    def record(
        self,
        sender: Organisation,
        kind: str,
        data: dict[str, Any],
        *,
        day: date,
        phase: int = 1,
        submission: str = "",
    ) -> Record:
        """A signed record that is not sent yet."""
        value = self.document(sender, kind, data, day=day, submission=submission)
        entry = KINDS[kind]
        return Record(
            day=day,
            phase=phase,
            party=sender.uscc,
            service=entry.service,
            key=entry.case(sender.uscc, data),
            jws=signature(sender, value),
            value=value,
        )

    def send(
        self,
        sender: Organisation,
        kind: str,
        data: dict[str, Any],
        *,
        day: date,
        phase: int = 1,
        case: str = "",
    ) -> Record:
        """Signs and sends a document; `case` counts it as one of real life's cases."""
        return self.put(self.record(sender, kind, data, day=day, phase=phase), case=case)

    def put(self, record: Record, *, case: str = "") -> Record:
        """Sends a record as it is."""
        self.records.append(record)
        if case:
            self.cases[case] += 1
        return record

    def again(self, record: Record, *, day: date, case: str) -> Record:
        """Sends the same bytes and signature once more."""
        return self.put(replace(record, day=day), case=case)

    def other_bytes(
        self, sender: Organisation, kind: str, data: dict[str, Any], *, first: Record, case: str
    ) -> Record:
        """Sends another body under an id that was used already."""
        used = json.loads(first.value)["id"]
        record = self.record(sender, kind, data, day=first.day, phase=first.phase, submission=used)
        return self.put(record, case=case)
