"""Quotas of Kafka's principals: AlterClientQuotas, which confluent-kafka's administrator lacks.

The request is API key 49, version 0, of the Kafka protocol guide (KIP-546); a broker passes it on to the controller.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from aiokafka.helpers import create_ssl_context
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Float64, Int16, Int32, Schema, String

from zeren.stack.errors import ProvisioningFailed
from zeren.stack.kafka import KafkaEndpoint

REQUEST_TIMEOUT_MS = 30_000
_ENTITY = ("entity", Array(("entity_type", String("utf-8")), ("entity_name", String("utf-8"))))

Limits = Mapping[str, int]
"""By the quota's name: bytes a second on one broker, averaged over its window (eleven seconds)."""


class _AlterClientQuotasResponse(Response):  # type: ignore[misc]
    API_KEY = 49
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("entries", Array(("error_code", Int16), ("error_message", String("utf-8")), _ENTITY)),
    )


class _AlterClientQuotasStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 49
    API_VERSION = 0
    RESPONSE_TYPE = _AlterClientQuotasResponse
    SCHEMA = Schema(
        (
            "entries",
            Array(
                _ENTITY,
                ("ops", Array(("key", String("utf-8")), ("value", Float64), ("remove", Boolean))),
            ),
        ),
        ("validate_only", Boolean),
    )


class _AlterClientQuotas(Request[_AlterClientQuotasStruct]):  # type: ignore[misc]
    API_KEY = 49

    def __init__(self, users: Mapping[str | None, Limits]) -> None:
        self._entries = [
            ([("user", name)], [(key, float(value), False) for key, value in limits.items()])
            for name, limits in users.items()
        ]

    def build(self, request_struct_class: type[_AlterClientQuotasStruct]) -> _AlterClientQuotasStruct:
        return request_struct_class(self._entries, False)


def provision_quotas(endpoint: KafkaEndpoint, default: Limits, exempt: Sequence[str], larger: Limits) -> None:
    """Set the limits of everybody (`default`), and those of the principals that need more; again, it changes nothing.

    Blocks; runs a loop of its own. Whoever is over a limit is answered later, nothing is refused.

    Raises:
        ProvisioningFailed: the cluster refused.
    """
    users: dict[str | None, Limits] = {None: default} | dict.fromkeys(exempt, larger)
    try:
        response = asyncio.run(_send(endpoint, _AlterClientQuotas(users)))
    except KafkaError as error:
        raise _refused(type(error).__name__) from error
    for code, message, _entity in response.entries:
        if code:
            raise _refused(message or str(code))


async def _send(endpoint: KafkaEndpoint, request: _AlterClientQuotas) -> Any:
    client = AIOKafkaClient(
        bootstrap_servers=endpoint.bootstrap,
        security_protocol=endpoint.security_protocol,
        sasl_mechanism="SCRAM-SHA-512",
        sasl_plain_username=endpoint.user,
        sasl_plain_password=endpoint.password,
        ssl_context=create_ssl_context(cafile=endpoint.ca_file) if endpoint.ca_file else None,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )
    await client.bootstrap()
    try:
        return await client.send(client.get_random_node(), request)
    finally:
        await client.close()


def _refused(reason: str) -> ProvisioningFailed:
    return ProvisioningFailed(f"Kafka 拒绝了配额：{reason}", f"Kafka refused the quotas: {reason}")
