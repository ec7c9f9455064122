"""AsyncAPI 3.1 of every topic: which records it holds, under which keys and headers, who sends and who receives.

Written from the registry, `deploy/local/topics.toml` and the services' own consumers. The application that it
describes is Zeren: it receives what institutions send and sends what they receive.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from docs.generation.meanings import meaning, term
from docs.generation.parties import followed
from docs.generation.schemas import Schema
from services.audit.consumers import LEDGERED
from services.audit.ledger.published import RUNS
from services.audit.ledger.published import SIZE as CHECKPOINT_SIZE
from services.audit.ledger.worker import CONSUMER as LEDGER_GROUP
from shared.contracts.fact import CONTENT_TYPE, SERVICES, FactType, registered, type_of
from shared.contracts.submission import SUBMISSIONS, SubmissionType
from shared.intake.receipt import receipts
from shared.messaging.topics import (
    CHECKPOINTS_TOPIC,
    POSITION,
    PREVIOUS,
    SOURCE,
    TYPE,
    facts_topic,
    intake_topic,
    receipts_topic,
)
from shared.telemetry.traceparent import HEADER as TRACEPARENT

ROOT = Path(__file__).resolve().parents[2]
TOPICS = ROOT / "deploy" / "local" / "topics.toml"
GOLDEN = ROOT / "tests" / "contracts" / "golden"
BINDING = {"bindingVersion": "0.5.0"}
DECIDING = ("enrolment", "certification", "payment")
SAMPLE_JWS = "eyJhbGciOiJFZDI1NTE5IiwiYjY0IjpmYWxzZSwiY3JpdCI6WyJiNjQiXSwia2lkIjoic2Nob29sLTEifQ.." + "A" * 86

Json = dict[str, Any]


def document(version: str) -> Json:
    """The whole document; `version` is the program's."""
    return {
        "asyncapi": "3.1.0",
        "id": "urn:zeren",
        "info": _info(version),
        "defaultContentType": CONTENT_TYPE,
        "servers": _servers(),
        "channels": _channels(),
        "operations": dict(_operations()),
        "components": {
            "messages": dict(_messages()),
            "securitySchemes": {
                "scram": {
                    "type": "scramSha512",
                    "description": "机构的身份与口令见登记时写下的凭据文件 / user and password stand in the profile "
                    "that the registration wrote",
                }
            },
        },
    }


def _info(version: str) -> Json:
    return {
        "title": "责任 / Zeren",
        "version": version,
        "description": "农民工技能培训补贴的事实、报送与回执，全在 Kafka 上。每条记录的值是一份 CloudEvents 1.0 "
        "JSON 文档（结构化模式），其字节就是被签名、入账的字节，不可再序列化。 / Facts, submissions and receipts of "
        "training subsidies, all on Kafka. A record's value is a CloudEvents 1.0 JSON document in structured mode; its "
        "bytes are what is signed and ledgered: never serialise them again. → docs/wire-format.md",
        "tags": [{"name": service} for service in SERVICES],
    }


def _servers() -> Json:
    variables = {
        "bootstrap": {
            "default": "127.0.0.1:9092",
            "description": "凭据文件的 bootstrap / `bootstrap` of the profile",
        }
    }
    shared = {
        "host": "{bootstrap}",
        "variables": variables,
        "security": [{"$ref": "#/components/securitySchemes/scram"}],
    }
    return {
        "local": {
            "protocol": "kafka",
            "description": "本机：SASL_PLAINTEXT，只在 127.0.0.1 / this machine: SASL_PLAINTEXT, on 127.0.0.1 alone",
            **shared,
        },
        "production": {
            "protocol": "kafka-secure",
            "description": "SASL_SSL / SASL_SSL",
            **shared,
        },
    }


def _channels() -> Json:
    found: Json = {}
    for service in SERVICES:
        found[f"{service}.facts"] = _channel(
            facts_topic(service),
            f"{service} 的事实，永久保存；服务与账本读取 / facts of {service}, kept for ever, read by services and "
            "the ledger",
            [entry.name for entry in registered() if entry.service == service],
        )
    for service in DECIDING:
        found[f"{service}.intake"] = _channel(
            intake_topic(service),
            f"机构向 {service} 的报送；只有该服务读取 / what institutions submit to {service}, which alone reads it",
            [entry.name for entry in SUBMISSIONS.values() if entry.service == service],
        )
    found["receipts"] = {
        **_channel(
            receipts_topic("{uscc}"),
            "一个机构的回执，保存 30 天；只有该机构可读 / the receipts of one institution, which alone reads them, "
            "kept for 30 days",
            _receipt_names(),
        ),
        "parameters": {"uscc": {"description": "统一社会信用代码 / unified social credit code"}},
    }
    found["checkpoints"] = _channel(
        CHECKPOINTS_TOPIC,
        "账本的签名检查点，人人可读 / signed checkpoints of the ledger; everyone may read",
        ["checkpoint"],
    )
    return found


def _channel(address: str, description: str, messages: Iterable[str]) -> Json:
    return {
        "address": address,
        "description": description,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {"kafka": {**_topic(address), **BINDING}},
    }


def _topic(address: str) -> Json:
    """As it is declared in `topics.toml`. Raises: LookupError: it isn't."""
    declared = tomllib.loads(TOPICS.read_text("utf-8"))
    for row in [*declared["topic"], {**declared["institution"], "names": [declared["institution"]["name"]]}]:
        if address in row["names"]:
            config = {**declared["defaults"], **row["config"]}
            settings = {name: _setting(name, value) for name, value in config.items()}
            return {"partitions": row["partitions"], "topicConfiguration": settings}
    raise LookupError(f"{address} is not declared in {TOPICS.name}")


def _setting(name: str, value: str) -> Any:
    if name == "cleanup.policy":
        return [value]
    return int(value) if value.lstrip("-").isdigit() else value


def _receipt_names() -> list[str]:
    return [type_of(service, cls).name for service in DECIDING for cls in receipts.events]


def _operations() -> Iterator[tuple[str, Json]]:
    for service in SERVICES:
        everything = [entry.name for entry in registered() if entry.service == service]
        yield f"{service}.publishes", _operation("send", f"{service}.facts", service, everything)
        if service in DECIDING:
            submissions = [entry.name for entry in SUBMISSIONS.values() if entry.service == service]
            given = [type_of(service, cls).name for cls in receipts.events]
            taken = _operation(
                "receive", f"{service}.intake", service, submissions, group=f"{service}.intake"
            )
            reply = {"channel": _channel_ref("receipts"), "messages": _message_refs("receipts", given)}
            yield f"{service}.decides", {**taken, "reply": reply}
            yield f"{service}.answers", _operation("send", "receipts", service, given)
        for source in SERVICES:
            names = [type_of(source, cls).name for cls in followed(service, source)]
            if names:
                group = LEDGER_GROUP if service == "audit" else f"{service}.policies"
                yield (
                    f"{service}.follows.{source}",
                    _operation("receive", f"{source}.facts", service, names, group=group),
                )
    for source in SERVICES:
        if facts_topic(source) in LEDGERED:
            names = [entry.name for entry in registered() if entry.service == source]
            yield (
                f"audit.ledgers.{source}",
                _operation("receive", f"{source}.facts", "audit", names, group=LEDGER_GROUP),
            )
    yield "audit.signs", _operation("send", "checkpoints", "audit", ["checkpoint"])


def _operation(action: str, channel: str, service: str, messages: Iterable[str], *, group: str = "") -> Json:
    bindings = {"bindings": {"kafka": {"groupId": {"type": "string", "enum": [group]}, **BINDING}}}
    return {
        "action": action,
        "channel": _channel_ref(channel),
        "tags": [{"name": service}],
        "messages": _message_refs(channel, messages),
        **(bindings if group else {}),
    }


def _channel_ref(channel: str) -> Json:
    return {"$ref": f"#/channels/{channel}"}


def _message_refs(channel: str, messages: Iterable[str]) -> list[Json]:
    return [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages]


def _messages() -> Iterator[tuple[str, Json]]:
    for entry in registered():
        yield entry.name, _fact(entry)
    for submission in SUBMISSIONS.values():
        yield submission.name, _submission(submission)
    yield "checkpoint", _checkpoint()


def _fact(entry: FactType) -> Json:
    sample = fact_example(entry)
    headers = {"content-type": CONTENT_TYPE}
    if entry.cls not in receipts.events:
        headers |= {TYPE: entry.name, SOURCE: f"{entry.service}@1", POSITION: "3", PREVIOUS: "0"}
    key = f"`{entry.key}`" if entry.key else "事实流的编号 / the stream's id"
    return {
        **_message(entry.name, entry.cls),
        "headers": _receipt_headers() if entry.cls in receipts.events else _fact_headers(entry),
        "bindings": {"kafka": {"key": _text(f"partitionkey：{key}"), **BINDING}},
        "examples": [{"name": "sample", "headers": headers, "payload": sample}],
    }


def fact_example(entry: FactType) -> Json:
    """The golden file of a fact version."""
    found: Json = json.loads((GOLDEN / f"{entry.name}.json").read_bytes())
    return found


def submission_example(entry: SubmissionType) -> Json:
    """The golden file of a submission version."""
    found: Json = json.loads((GOLDEN / "submissions" / f"{entry.name}.json").read_bytes())
    return found


def _submission(entry: SubmissionType) -> Json:
    sample = submission_example(entry)
    headers = {"jws": SAMPLE_JWS, "content-type": CONTENT_TYPE}
    return {
        **_message(entry.name, entry.cls),
        "headers": _object(
            {
                "jws": {
                    **_text(
                        "对值的原始字节的分离签名（RFC 7797，Ed25519） / detached signature over the value's bytes"
                    ),
                    "pattern": r"^[A-Za-z0-9_-]+\.\.[A-Za-z0-9_-]+$",
                    "maxLength": 1_024,
                },
                "content-type": _content_type(),
                TRACEPARENT: _text("发送者的 W3C 追踪上下文 / the sender's W3C trace context"),
            },
            required=["jws"],
        ),
        "bindings": {
            "kafka": {
                "key": _text("案件，只为次序，从不据以判断 / the case, for order alone; nothing rests on it"),
                **BINDING,
            }
        },
        "examples": [{"name": "sample", "headers": headers, "payload": sample}],
    }


def _message(name: str, cls: type) -> Json:
    return {
        "name": name,
        "title": f"{term(cls)} / {cls.__name__}",
        "summary": meaning(cls).both,
        "contentType": CONTENT_TYPE,
        "payload": {"$ref": f"./schemas/{name}.json"},
    }


def _fact_headers(entry: FactType) -> Schema:
    return _object(
        {
            TYPE: {
                **_text("事实的类型，不解码即可略过 / the type: what isn't needed is passed over undecoded"),
                "const": entry.name,
            },
            SOURCE: _text("<服务>@<库的化身> / <service>@<incarnation of its store>"),
            POSITION: {**_text("在事件表中的位置 / its position in the event table"), "pattern": "^[0-9]+$"},
            PREVIOUS: {
                **_text(
                    "此前发往该分区的位置，起初为 0 / the position sent to this partition before; 0 at the start"
                ),
                "pattern": "^[0-9]+$",
            },
            "content-type": _content_type(),
            **_hop(),
        },
        required=[TYPE, SOURCE, POSITION, PREVIOUS, "content-type"],
    )


def _receipt_headers() -> Schema:
    """The same fact stands on the facts topic and on the institution's: with other headers."""
    here = {
        name: _text("只在事实主题上 / on the facts topic alone")
        for name in (TYPE, SOURCE, POSITION, PREVIOUS)
    }
    return _object({**here, "content-type": _content_type(), **_hop()}, required=["content-type"])


def _content_type() -> Schema:
    return {
        **_text("值的格式 / the format of the value"),
        "pattern": f"^{re.escape(CONTENT_TYPE)}(;.*)?$",
    }


def _hop() -> Mapping[str, Schema]:
    return {
        TRACEPARENT: _text(
            "这一跳的 W3C 追踪上下文，可无 / the W3C trace context of this hop, if it is recorded"
        )
    }


def _checkpoint() -> Json:
    return {
        "name": "checkpoint",
        "title": "检查点 / Checkpoint",
        "summary": "账本的大小与根，由账本的密钥签名（C2SP tlog-checkpoint） / size and root of the ledger, signed "
        "with its key (C2SP tlog-checkpoint)",
        "contentType": "text/plain; charset=utf-8",
        "headers": _object(
            {
                CHECKPOINT_SIZE: {**_text("大小 / the size"), "pattern": "^[0-9]+$"},
                RUNS: _text(
                    "上一检查点以来各叶子的来处，JSON / where the leaves since the last one came from, JSON"
                ),
            },
            required=[CHECKPOINT_SIZE, RUNS],
        ),
        "payload": {"type": "string"},
    }


def _object(properties: Mapping[str, Schema], *, required: list[str]) -> Schema:
    return {"type": "object", "properties": dict(properties), **({"required": required} if required else {})}


def _text(description: str) -> Schema:
    return {"type": "string", "description": description}
