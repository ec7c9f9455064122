"""What each principal may do on Kafka: written down here by hand from the table of topics, tried on the broker."""

from __future__ import annotations

import asyncio
import contextlib
import secrets

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from zeren.stack.kafka import KafkaEndpoint, answers
from zeren.stack.provision import provision_kafka, rights_of_principal

FIRST, SECOND = "91350100M000100Y43", "91350200M000200Y57"
E_FACTS, C_FACTS, P_FACTS, A_FACTS = (
    f"zeren.{service}.facts.v1" for service in ("enrolment", "certification", "payment", "audit")
)
E_INTAKE, C_INTAKE, P_INTAKE = (
    f"zeren.{service}.intake.v1" for service in ("enrolment", "certification", "payment")
)
CHECKPOINTS = "zeren.audit.checkpoints.v1"
RECEIPTS = {uscc: f"zeren.receipts.{uscc}.v1" for uscc in (FIRST, SECOND)}
TOPICS = (E_FACTS, C_FACTS, P_FACTS, A_FACTS, E_INTAKE, C_INTAKE, P_INTAKE, CHECKPOINTS, *RECEIPTS.values())

WRITES = {
    "svc-enrolment": {E_FACTS, *RECEIPTS.values()},
    "svc-certification": {C_FACTS, *RECEIPTS.values()},
    "svc-payment": {P_FACTS, *RECEIPTS.values()},
    "svc-audit": {A_FACTS, CHECKPOINTS},
    f"inst-{FIRST}": {E_INTAKE, C_INTAKE, P_INTAKE},
}
READS = {
    "svc-enrolment": {E_FACTS, E_INTAKE, P_FACTS, CHECKPOINTS},
    "svc-certification": {C_FACTS, C_INTAKE, E_FACTS, CHECKPOINTS},
    "svc-payment": {P_FACTS, P_INTAKE, E_FACTS, C_FACTS, CHECKPOINTS},
    "svc-audit": {A_FACTS, E_FACTS, C_FACTS, P_FACTS, CHECKPOINTS},
    f"inst-{FIRST}": {RECEIPTS[FIRST], CHECKPOINTS},
}
GROUP_PREFIX = {principal: f"{principal.removeprefix('svc-')}." for principal in WRITES}


@pytest.fixture(scope="module")
def servers_with_institutions(own_servers):
    """The servers with two institutions, and at least one record in each topic."""
    for uscc in (FIRST, SECOND):
        own_servers.onboard(uscc)
    producer = Producer(own_servers.kafka.settings())
    for topic in TOPICS:
        producer.produce(topic, value=b"a record", partition=0)
    assert producer.flush(30) == 0
    return own_servers


def client(endpoint: KafkaEndpoint) -> dict[str, str]:
    """The connection's settings of aiokafka, the services' client."""
    return {
        "bootstrap_servers": endpoint.bootstrap,
        "security_protocol": endpoint.security_protocol,
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": endpoint.user,
        "sasl_plain_password": endpoint.password,
    }


async def writable(endpoint: KafkaEndpoint) -> set[str]:
    """The topics that accept an idempotent, acknowledged record; any other failure than of rights is raised."""
    accepted: set[str] = set()
    for topic in TOPICS:
        async with AIOKafkaProducer(**client(endpoint), enable_idempotence=True, acks="all") as producer:
            with contextlib.suppress(TopicAuthorizationFailedError):
                await producer.send_and_wait(topic, b"a record", partition=0)
                accepted.add(topic)
    return accepted


async def readable(endpoint: KafkaEndpoint, group_prefix: str) -> set[str]:
    """The topics that a consumer group gets a record of; any other failure than of rights is raised."""
    given: set[str] = set()
    for topic in TOPICS:
        group = f"{group_prefix}{topic}.{secrets.token_hex(4)}"
        consumer = AIOKafkaConsumer(
            topic, **client(endpoint), group_id=group, auto_offset_reset="earliest", enable_auto_commit=False
        )
        with contextlib.suppress(TopicAuthorizationFailedError):
            await asyncio.wait_for(consumer.start(), 15)
            await asyncio.wait_for(consumer.getone(), 15)
            given.add(topic)
        await consumer.stop()
    return given


@pytest.mark.parametrize("principal", WRITES)
async def test_a_principal_writes_its_own_topics_and_no_other(servers_with_institutions, principal):
    """Tried on every topic there is."""
    assert await writable(servers_with_institutions.kafka_as(principal)) == WRITES[principal]


@pytest.mark.parametrize("principal", READS)
async def test_a_principal_reads_what_it_needs_and_no_other(servers_with_institutions, principal):
    """Tried on every topic there is."""
    endpoint = servers_with_institutions.kafka_as(principal)
    assert await readable(endpoint, GROUP_PREFIX[principal]) == READS[principal]


@pytest.mark.parametrize("principal", WRITES)
async def test_a_principal_uses_groups_of_its_own_prefix_only(servers_with_institutions, principal):
    """A foreign group can be neither asked for its positions nor committed to; the own one can."""
    settings = client(servers_with_institutions.kafka_as(principal))
    partition = TopicPartition(min(READS[principal]), 0)
    for owner, prefix in GROUP_PREFIX.items():
        consumer = AIOKafkaConsumer(**settings, group_id=f"{prefix}check", enable_auto_commit=False)
        consumer.assign([partition])
        if owner == principal:
            await consumer.start()
            await consumer.commit({partition: 1})
            assert await consumer.committed(partition) == 1
        else:
            await consumer.start()
            with pytest.raises(GroupAuthorizationFailedError):
                await asyncio.wait_for(consumer.commit({partition: 1}), 15)
            with pytest.raises(GroupAuthorizationFailedError):
                await asyncio.wait_for(consumer.committed(partition), 15)
        await consumer.stop()


@pytest.mark.parametrize("principal", WRITES)
def test_nobody_but_the_administrator_creates_a_topic(servers_with_institutions, principal):
    """Neither on purpose nor by writing to one that doesn't exist."""
    admin = servers_with_institutions.kafka_as(principal).admin()
    created = admin.create_topics([NewTopic("zeren.receipts.mine.v1", 1)], request_timeout=15)
    with pytest.raises(KafkaException) as refused:
        created["zeren.receipts.mine.v1"].result(15)
    assert refused.value.args[0].code() in {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
    topics = servers_with_institutions.kafka.admin().list_topics(timeout=10).topics
    assert "zeren.receipts.mine.v1" not in topics


def test_a_wrong_password_is_refused(servers_with_institutions):
    """SCRAM holds from the first start."""
    right = servers_with_institutions.kafka_as("svc-audit")
    assert answers(right)
    wrong = KafkaEndpoint(bootstrap=right.bootstrap, user=right.user, password="guessed")
    assert not answers(wrong)


def test_registering_an_institution_again_rotates_nothing(servers_with_institutions):
    """The second answer is the first, and the password still works."""
    first = servers_with_institutions.onboard(FIRST)
    assert servers_with_institutions.onboard(FIRST) == first
    assert first.receipts_topic == RECEIPTS[FIRST]
    assert first.password not in repr(first)
    assert answers(KafkaEndpoint(bootstrap=first.bootstrap, user=first.user, password=first.password))


@pytest.mark.parametrize("uscc", ["", "*", "91350100M000100Y4", "91350100M000100Y4*", "91350100m000100y43"])
def test_only_a_credit_code_becomes_a_principal(own_servers, uscc):
    """Nothing that could widen a name pattern is let in."""
    with pytest.raises(ValueError, match="unified social credit code"):
        own_servers.onboard(uscc)


async def test_provisioning_again_takes_back_what_was_not_declared(servers_with_institutions):
    """A right given by hand is taken; declared ones and institutions' stay."""
    servers = servers_with_institutions
    admin = servers.kafka.admin()
    stolen = AclBinding(
        ResourceType.TOPIC,
        E_INTAKE,
        ResourcePatternType.LITERAL,
        "User:svc-audit",
        "*",
        AclOperation.READ,
        AclPermissionType.ALLOW,
    )
    admin.create_acls([stolen])[stolen].result(15)
    assert stolen in admin.describe_acls(rights_of_principal("User:svc-audit")).result(15)
    await asyncio.to_thread(provision_kafka, servers.kafka, servers.state.secret)
    assert stolen not in admin.describe_acls(rights_of_principal("User:svc-audit")).result(15)
    assert await readable(servers.kafka_as("svc-audit"), "audit.") == READS["svc-audit"]
    assert await writable(servers.kafka_as(f"inst-{FIRST}")) == WRITES[f"inst-{FIRST}"]
