"""What a principal may send and fetch a second: declared in acls.toml, asked of the broker, felt by a sender."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.admin import DescribeClientQuotasRequest
from confluent_kafka import Producer

from zeren.stack.kafka import ADMIN, KafkaEndpoint
from zeren.stack.local import Servers
from zeren.stack.provision import provision_kafka
from zeren.stack.quotas import provision_quotas
from zeren.stack.rights import read_rights

SCHOOL = "91350100M000100Y43"
ANY = 2
"""The protocol's word for every entity of a kind."""


async def described(endpoint: KafkaEndpoint) -> dict[str | None, dict[str, float]]:
    """The broker's own answer: the quotas by user; None is everybody else."""
    client = AIOKafkaClient(
        bootstrap_servers=endpoint.bootstrap,
        security_protocol=endpoint.security_protocol,
        sasl_mechanism="SCRAM-SHA-512",
        sasl_plain_username=endpoint.user,
        sasl_plain_password=endpoint.password,
    )
    await client.bootstrap()
    try:
        request: Any = DescribeClientQuotasRequest([("user", ANY, None)], strict=False)
        response = await client.send(client.get_random_node(), request)
    finally:
        await client.close()
    assert response.error_code == 0
    return {entity[0][1]: dict(values) for entity, values in response.entries}


def test_everybody_has_a_bound_and_the_services_a_larger_one(own_servers: Servers) -> None:
    """As declared, also when it is provisioned a second time."""
    provision_kafka(own_servers.kafka, own_servers.state.secret)
    rights = read_rights()
    found = asyncio.run(described(own_servers.kafka))
    assert found.pop(None) == rights.quotas["everybody"]
    assert set(found) == {*rights.users, ADMIN}
    assert all(limits == rights.quotas["services"] for limits in found.values())


@pytest.mark.timeout(180)
def test_an_institution_over_its_bound_is_slowed_down_and_loses_nothing(own_servers: Servers) -> None:
    """Ten times what the bound lets through a second takes its seconds; every record is acknowledged."""
    own_servers.onboard(SCHOOL)
    rights = read_rights()
    exempt, larger = (*rights.users, ADMIN), rights.quotas["services"]
    provision_quotas(own_servers.kafka, {"producer_byte_rate": 20_000}, exempt, larger)
    producer = Producer({**own_servers.kafka_as(f"inst-{SCHOOL}").settings(), "linger.ms": 0})
    began, failed = time.monotonic(), []
    for _ in range(40):
        producer.produce(
            "zeren.enrolment.intake.v1",
            bytes(20_000),
            partition=0,
            on_delivery=lambda error, _message: failed.append(error) if error else None,
        )
        producer.poll(0)
        producer.flush(60)
        if time.monotonic() - began > 3:
            break
    took = time.monotonic() - began
    provision_quotas(own_servers.kafka, rights.quotas["everybody"], exempt, larger)
    assert failed == []
    assert took > 3, "nothing was slowed down"
