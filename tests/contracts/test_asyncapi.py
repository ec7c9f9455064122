"""The AsyncAPI document is valid, complete, and says what the topics, the registry and the consumers say."""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from docs.generation.asyncapi import TOPICS, document
from docs.generation.schemas import schemas
from services.audit.consumers import LEDGERED
from shared.contracts.fact import SERVICES, registered
from shared.contracts.submission import SUBMISSIONS
from shared.messaging.topics import FactHeaders, facts_topic, intake_topic
from zeren.institution.keys import SigningKey, signature_form

Json = Any
META = Path(__file__).parent / "asyncapi" / "3.1.0.json"
"""The official meta-schema, see NOTICE beside it."""
FACTS = [entry.name for entry in registered()]


@cache
def meta() -> Draft7Validator:
    """Of AsyncAPI 3.1.0."""
    return Draft7Validator(json.loads(META.read_bytes()))


@pytest.fixture(scope="module")
def asyncapi() -> Json:
    """The document as `make docs` writes it."""
    return json.loads(json.dumps(document("0.1.0")))


def references(value: Json) -> Iterator[str]:
    """Every `$ref` in it."""
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def found(whole: Json, pointer: str) -> Json:
    """What a local reference names. Raises: KeyError."""
    at = whole
    for step in pointer.removeprefix("#/").split("/"):
        at = at[step]
    return at


def test_it_is_valid_by_the_official_meta_schema(asyncapi: Json) -> None:
    """AsyncAPI 3.1.0."""
    assert [error.message for error in meta().iter_errors(asyncapi)] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("operations/payment.publishes/action", "publish"),
        ("channels/receipts/bindings/kafka/partitions", 0),
        ("components/securitySchemes/scram/type", "scram"),
        ("channels/payment.facts/messages/zeren.payment.SubsidyPaid.v1", 7),
    ],
)
def test_the_meta_schema_would_have_said_it(asyncapi: Json, path: str, value: Json) -> None:
    """It is no empty schema: a spoilt document is refused."""
    spoilt = copy.deepcopy(asyncapi)
    folder, _, name = path.rpartition("/")
    found(spoilt, folder)[name] = value
    assert not meta().is_valid(spoilt)


def test_every_reference_leads_somewhere(asyncapi: Json) -> None:
    """Inside the document, or to the schema of a type."""
    outside = {ref for ref in references(asyncapi) if not ref.startswith("#/")}
    assert outside == {f"./schemas/{name}.json" for name in schemas()}
    assert all(found(asyncapi, ref) for ref in references(asyncapi) if ref not in outside)


def test_its_channels_are_the_topics(asyncapi: Json) -> None:
    """Each one that is declared, with its partitions and how long it keeps."""
    declared = tomllib.loads(TOPICS.read_text("utf-8"))
    addresses = {
        channel["address"]: channel["bindings"]["kafka"] for channel in asyncapi["channels"].values()
    }
    names = [name for row in declared["topic"] for name in row["names"]]
    assert sorted(addresses) == sorted([*names, declared["institution"]["name"]])
    assert addresses["zeren.payment.facts.v1"]["partitions"] == 6
    assert addresses["zeren.payment.facts.v1"]["topicConfiguration"]["retention.ms"] == -1
    assert addresses["zeren.payment.intake.v1"]["topicConfiguration"]["retention.ms"] == 7 * 86_400_000


@pytest.mark.parametrize("service", SERVICES)
def test_a_channel_holds_what_is_sent_there(asyncapi: Json, service: str) -> None:
    """Every fact version on its service's topic, every submission on the intake of who decides it."""
    by_address = {channel["address"]: set(channel["messages"]) for channel in asyncapi["channels"].values()}
    assert by_address[facts_topic(service)] == {name for name in FACTS if name.split(".")[1] == service}
    if service != "audit":
        taken = {entry.name for entry in SUBMISSIONS.values() if entry.service == service}
        assert by_address[intake_topic(service)] == taken


def test_it_names_who_sends_and_who_receives(asyncapi: Json) -> None:
    """Each service publishes, decides, answers and follows; the ledger takes everything."""
    operations = asyncapi["operations"]
    assert {f"{service}.publishes" for service in SERVICES} <= operations.keys()
    followed = {
        ref["$ref"].rpartition("/")[2] for ref in operations["payment.follows.certification"]["messages"]
    }
    assert followed == {"zeren.certification.CertificateIssued.v1"}
    ledgered = [name for name in operations if name.startswith("audit.ledgers.")]
    assert len(ledgered) == len(LEDGERED)
    taken = [ref["$ref"].rpartition("/")[2] for name in ledgered for ref in operations[name]["messages"]]
    assert sorted(taken) == sorted(FACTS)


def test_an_operation_takes_messages_of_its_channel_alone(asyncapi: Json) -> None:
    """As AsyncAPI 3 asks."""
    for name, operation in asyncapi["operations"].items():
        for part in (operation, operation.get("reply", operation)):
            here = part["channel"]["$ref"] + "/messages/"
            assert all(ref["$ref"].startswith(here) for ref in part["messages"]), name


def test_every_example_is_valid(asyncapi: Json) -> None:
    """Payload by the schema of its type, headers by those of the message."""
    examples = 0
    for name, message in asyncapi["components"]["messages"].items():
        for example in message.get("examples", ()):
            examples += 1
            assert Draft202012Validator(schemas()[name]).is_valid(example["payload"]), name
            assert Draft202012Validator(message["headers"]).is_valid(example["headers"]), name
    assert examples == len(schemas())


def test_the_headers_of_a_fact_are_those_that_the_relay_sends(asyncapi: Json) -> None:
    """Names and values, with the hop's trace and without it."""
    headers = asyncapi["components"]["messages"]["zeren.payment.SubsidyPaid.v1"]["headers"]
    hop = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    for sent in (
        FactHeaders("zeren.payment.SubsidyPaid.v1", "payment@1", 7, 5).encode(),
        FactHeaders("zeren.payment.SubsidyPaid.v1", "payment@1", 7, 5, hop).encode(),
    ):
        told = {name: value.decode() for name, value in sent}
        assert told.keys() <= headers["properties"].keys()
        assert Draft202012Validator(headers).is_valid(told)


def test_the_signature_header_is_as_signers_make_it(asyncapi: Json) -> None:
    """By its pattern and its length."""
    headers = asyncapi["components"]["messages"]["zeren.submission.ApplyClass.v1"]["headers"]
    jws = SigningKey.generate("k" * 64).signer()(b"{}")
    assert signature_form(jws) == ""
    assert Draft202012Validator(headers).is_valid({"jws": jws.decode()})
    assert not Draft202012Validator(headers).is_valid({"content-type": "application/cloudevents+json"})
