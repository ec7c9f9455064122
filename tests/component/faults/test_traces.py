"""Traces of a whole stack: one a submission, from the institution's header to the ledger; to audit, or to a collector.

No key, no id of a person or organisation and no personal value of the run stands in any span.
"""

from __future__ import annotations

import gzip
import json
import secrets
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import httpx
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from shared.identity import class_id, receipt_id
from shared.telemetry.traceparent import write_traceparent
from tests.component.faults.outage import class_application, until
from tests.component.faults.sending import Outgoing, Town
from tests.domain.telemetry.collector import Receiving, collecting, values
from tests.domain.telemetry.semconv import CURRENT
from zeren.stack import whole
from zeren.stack.days import business_date
from zeren.stack.paths import CHECKOUT
from zeren.stack.supervisor import Supervisor
from zeren.stack.traces import trace_token

pytestmark = pytest.mark.timeout(300)

SECONDS = 60.0
INTAKE, FACTS = "zeren.enrolment.intake.v1", "zeren.enrolment.facts.v1"
RECEIPTS = "send zeren.receipts.{institution}.v1"
NAME, NATIONAL_ID, PHONE = "李娜", "110105199003071095", "13900000017"
PROTOBUF = "application/x-protobuf"


@dataclass(frozen=True)
class Sent:
    """What was sent of one class and one trainee.

    Attributes:
        parent: the context in the enrolment's header.
        secrets: what may stand in no span.
    """

    submission_id: str
    parent: str
    secrets: Sequence[str]

    @property
    def trace(self) -> str:
        return self.parent[3:35]


def enrolled(town: Town) -> Sent:
    """A school applies for a class, a handler opens it, and one trainee is enrolled, with a trace context."""
    school = town.parties["school"]
    held_on = (business_date(town.local) or date.min) + timedelta(days=1)
    plan = class_application(school, held_on)
    assert town.told(Outgoing(value=plan, headers=school.signed(plan))) == ["accepted"]
    class_ref = json.loads(plan)["data"]["class_ref"]
    opened = class_id(school.uscc, class_ref)
    bearer = town.local.as_duty("D3")

    def open_class() -> bool:
        body = {"decision": "approve", "class_ids": [opened]}
        outcome = town.local.post("enrolment", "/classes/decisions", body, bearer=bearer)["outcomes"][0]
        return outcome["code"] == ""

    until(open_class, "the class is opened", SECONDS)
    name = class_ref.removeprefix("c-")
    document = {
        "specversion": "1.0", "id": f"enrol-{name}", "source": f"urn:uscc:{school.uscc}",
        "type": "zeren.submission.EnrolTrainee.v1", "time": "2024-05-14T09:00:00+08:00",
        "nonce": secrets.token_urlsafe(16),
        "data": {
            "enrolment_ref": f"e-{name}", "class_ref": class_ref, "groups": [],
            "trainee": {"name": NAME, "national_id": NATIONAL_ID, "phone": PHONE},
        },
    }  # fmt: skip
    value = json.dumps(document).encode()
    parent = write_traceparent(secrets.token_hex(16), sampled=True)
    headers = [*school.signed(value), ("traceparent", parent.encode())]
    assert town.told(Outgoing(value=value, headers=headers, key=b"key-of-the-record")) == ["accepted"]
    hidden = (
        NAME, NATIONAL_ID, PHONE, school.uscc, class_ref, opened, name, "key-of-the-record", school.key.key_id,
        receipt_id("enrolment", school.uscc, f"enrol-{name}"), *persons(town),
    )  # fmt: skip
    return Sent(f"enrol-{name}", parent, hidden)


def persons(town: Town) -> list[str]:
    """The random ids of everybody whom the vault knows."""
    with town.servers.postgres.connect("vault") as connection:
        return [str(row[0]) for row in connection.execute("SELECT person_id FROM persons").fetchall()]


def spans_of(town: Town, trace: str) -> list[dict[str, Any]]:
    bearer = town.local.as_duty("AUDITOR")
    found: list[dict[str, Any]] = town.local.get("audit", "/spans", bearer=bearer, params={"trace": [trace]})[
        "spans"
    ]
    return found


def one(spans: Sequence[dict[str, Any]], service: str, name: str, group: str = "") -> dict[str, Any]:
    """The first span of a service by that name (and consumer group)."""
    return next(
        span
        for span in spans
        if (span["service"], span["name"]) == (service, name)
        and span["attributes"].get("messaging.consumer.group.name", "") in (group, f"{service}.intake")
    )


WANTED = {
    ("enrolment", f"process {INTAKE}", "enrolment.intake"),
    ("enrolment", f"send {FACTS}", ""),
    ("enrolment", RECEIPTS, ""),
    ("certification", f"process {FACTS}", "certification.policies"),
    ("payment", f"process {FACTS}", "payment.policies"),
    ("audit", f"process {FACTS}", "audit.ledger"),
}


def complete(spans: Sequence[dict[str, Any]]) -> bool:
    """Whether every hop of the trace is there, and both of its facts are ledgered."""
    found = {
        (span["service"], span["name"], span["attributes"].get("messaging.consumer.group.name", ""))
        for span in spans
    }
    ledgered = sum(span["attributes"].get("zeren.facts", 0) for span in spans if span["service"] == "audit")
    return found >= WANTED and ledgered == 2


def zeren(town: Town, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "zeren", "trace", *arguments, "--state", town.state.path.name)
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False)


def test_a_submission_is_one_trace_from_its_header_to_the_ledger(town: Town) -> None:
    """Intake → relay → payment and audit, each a child of the one before; and `zeren trace` shows it."""
    sent = enrolled(town)
    until(lambda: complete(spans_of(town, sent.trace)), "every hop has its span", SECONDS)
    spans = spans_of(town, sent.trace)
    intake = one(spans, "enrolment", f"process {INTAKE}", "enrolment.intake")
    assert intake["parent"] == sent.parent[36:52]
    assert intake["attributes"]["cloudevents.event_type"] == "zeren.submission.EnrolTrainee.v1"
    assert (intake["attributes"]["zeren.outcome"], intake["attributes"]["zeren.facts"]) == ("accepted", 2)
    sending = [span for span in spans if span["name"] == f"send {FACTS}"]
    assert {span["parent"] for span in sending} == {intake["span"]}
    assert sum(span["attributes"]["zeren.facts"] for span in sending) == 2
    assert one(spans, "enrolment", RECEIPTS)["parent"] == intake["span"]
    hops = {span["span"] for span in sending}
    for service, group in (("payment", "payment.policies"), ("audit", "audit.ledger")):
        assert one(spans, service, f"process {FACTS}", group)["parent"] in hops
    assert all(link["trace"] != sent.trace for span in spans for link in span["links"])
    assert contexts(town, sent) == {f"00-{sent.trace}-{intake['span']}-01"}
    told = zeren(
        town, "--submission", sent.submission_id, "--institution", town.parties["school"].uscc, "--json"
    )
    assert told.returncode == 0, told.stderr
    answer = json.loads(told.stdout)
    assert [(each["trace"], each["state"]) for each in answer["traces"]] == [(sent.trace, "kept")]
    assert {each["type"].split(".")[2] for each in answer["history"]} == {
        "TraineeEnrolled",
        "SubmissionAccepted",
    }
    shown = zeren(town, "--trace", sent.trace)
    assert f"└ send {FACTS}" in shown.stdout, shown.stderr
    with town.servers.postgres.connect("audit") as connection:
        rows = connection.execute("SELECT spans FROM spans").fetchall()
    stored = b"".join(zlib.decompress(row[0]) for row in rows)
    assert_tells_nothing(stored, sent)


def contexts(town: Town, sent: Sent) -> set[str]:
    """The trace contexts in the facts that the submission led to."""
    query = "SELECT state FROM events WHERE position(%s::bytea IN state) > 0"
    with town.servers.postgres.connect("enrolment") as connection:
        rows = connection.execute(query, (sent.trace.encode(),)).fetchall()
    return {json.loads(row[0])["traceparent"] for row in rows}


def assert_tells_nothing(content: bytes, sent: Sent) -> None:
    assert len(content) > 1_000
    assert [value for value in sent.secrets if value.encode() in content] == []


def test_an_unknown_submission_is_told_as_such(town: Town) -> None:
    """Exit code 1: nothing of it is in the ledger."""
    told = zeren(town, "--submission", "never-sent", "--institution", town.parties["school"].uscc)
    assert (told.returncode, "never-sent" in told.stderr) == (1, True)


@pytest.fixture
def collector(town: Town, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiving]:
    """A collector to which enrolment alone sends its spans, as after `zeren up` under the standard variables."""

    def restart() -> None:
        Supervisor(town.state).start(whole.service_spec(town.servers, "enrolment"))

    with collecting() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.endpoint.removesuffix("/v1/traces"))
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        restart()
        yield found
        monkeypatch.undo()
        restart()


def test_any_otlp_collector_gets_spans_by_the_current_conventions(town: Town, collector: Receiving) -> None:
    """A service that really runs, a receiver that decodes OTLP's own classes."""
    sent = enrolled(town)
    found = awaited(collector, sent, {f"process {INTAKE}", f"send {FACTS}", RECEIPTS})
    names = {span.name for _, span in collector.spans()}
    assert {f"commit {INTAKE}", "POST /classes/decisions", "fold classes_by_state"} <= names
    assert {resource["service.name"] for resource, _ in found} == {"enrolment"}
    assert {resource["service.namespace"] for resource, _ in found} == {"zeren"}
    for _, span in found:
        attributes = values(span.attributes)
        odd = [name for name in attributes if name not in CURRENT and not name.startswith("zeren.")]
        assert odd == [], span.name
        if "messaging.system" in attributes:
            destination = (
                attributes.get("messaging.destination.name") or attributes["messaging.destination.template"]
            )
            assert span.name == f"{attributes['messaging.operation.name']} {destination}"
            assert attributes["messaging.operation.type"] in ("send", "process", "settle")
    kinds = {span.name: Span.SpanKind.Name(span.kind) for _, span in found if span.parent_span_id}
    assert kinds[f"process {INTAKE}"] == "SPAN_KIND_CONSUMER"
    assert kinds[f"send {FACTS}"] == kinds[RECEIPTS] == "SPAN_KIND_PRODUCER"
    body = b"".join(request.SerializeToString() for _, _, request in collector.requests)
    assert_tells_nothing(body, sent)
    assert {path for path, _, _ in collector.requests} == {"/v1/traces"}


def awaited(collector: Receiving, sent: Sent, names: set[str]) -> list[tuple[dict[str, Any], Span]]:
    """Every span, once those of the submission's trace are among them."""

    def there() -> bool:
        of_trace = {span.name for _, span in collector.spans() if span.trace_id.hex() == sent.trace}
        return of_trace >= names

    until(there, "the submission's spans come", SECONDS)
    return collector.spans()


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda headers: headers | {"authorization": "Bearer wrong"}, 401),
        (lambda headers: {name: value for name, value in headers.items() if name != "authorization"}, 401),
        (lambda headers: headers | {"content-type": "application/json"}, 415),
        (lambda headers: headers, 400),
        (lambda headers: headers | {"content-encoding": "gzip", "bomb": "1"}, 413),
        (lambda headers: headers | {"large": "1"}, 413),
    ],
    ids=["bad token", "no token", "json", "junk", "bomb", "too large"],
)
def test_the_receiver_refuses_what_it_should(
    town: Town, change: Callable[[dict[str, str]], dict[str, str]], status: int
) -> None:
    """And goes on as before."""
    headers = change({"authorization": f"Bearer {trace_token(town.state)}", "content-type": PROTOBUF})
    body = b"\xff\x00junk"
    if headers.pop("bomb", ""):
        body = gzip.compress(bytes(64 << 20))
    if headers.pop("large", ""):
        body = bytes((1 << 20) + 1)
    url = f"{town.local.url('audit')}/v1/traces"
    answer = httpx.post(url, content=body, headers=headers, trust_env=False)
    assert answer.status_code == status, answer.text
    assert town.local.ready("audit")["ready"]
