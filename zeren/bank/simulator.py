"""The bank at work: watches its folder, answers each file once, sends the answers under its own principal."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from zeren.bank.answered import Answered
from zeren.bank.answers import Answer, documents, read_signer
from zeren.bank.bank_file import SUFFIX, BankFileMalformed, parse_bank_file
from zeren.bank.office import Office

log = logging.getLogger(__name__)

SHANGHAI = ZoneInfo("Asia/Shanghai")
TOPIC = "zeren.payment.intake.v1"
CONTENT_TYPE = b"application/cloudevents+json"
LOOK_SECONDS = 0.2
OUTAGE_SECONDS = 2.0
NAMES = (
    "FOLDER",
    "ANSWERS_FOLDER",
    "PROFILES_FOLDER",
    "ENROLMENT_URL",
    "ISSUER_URL",
    "ISSUER_SECRET",
    "HANDLER",
)


@dataclass(slots=True)
class Bank:
    """Answers bank files. The profile and key are those with which the named bank was registered."""

    folder: Path
    profiles: Path
    answered: Answered
    office: Office
    fail_every: int
    producers: dict[str, AIOKafkaProducer]

    async def run(self, stop: asyncio.Event) -> None:
        """Looks again and again until `stop`; an outage is waited out."""
        try:
            while not stop.is_set():
                pause = LOOK_SECONDS
                try:
                    await self.look()
                except (KafkaError, httpx.HTTPError, OSError, ValueError) as error:
                    log.warning("the bank tries again: %s", type(error).__name__)
                    pause = OUTAGE_SECONDS
                await _wait(stop, pause)
        finally:
            for producer in self.producers.values():
                await producer.stop()

    async def look(self) -> None:
        """Sends what is unsent, then answers every file that is new."""
        for name, answers in self.answered.unsent():
            await self._send(name, answers)
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                continue  # reconciled meanwhile: payment took it away
            name = Answered.name_of(content)
            if not self.answered.knows(name):
                answers = await self._answer(content)
                self.answered.keep(name, answers)
                await self._send(name, answers)

    async def _answer(self, content: bytes) -> list[Answer]:
        try:
            file = parse_bank_file(content)
        except BankFileMalformed as error:
            log.warning("a bank file is refused: %s", error)
            return []
        paid_on = await asyncio.to_thread(self.office.business_date)
        sign = read_signer(Path(self._profile(file.head.bank)["key_file"]))
        values = documents(file, paid_on=paid_on, now=datetime.now(SHANGHAI), fail_every=self.fail_every)
        log.info("batch %s: %d lines answered", file.head.batch_id, len(file.orders))
        return [Answer(file.head.batch_id, value, sign(value)) for value in values]

    async def _send(self, name: str, answers: Sequence[Answer]) -> None:
        for answer in answers:
            producer = await self._producer(_bank_of(answer))
            headers = [("content-type", CONTENT_TYPE), ("jws", answer.jws)]
            await producer.send_and_wait(
                TOPIC, value=answer.value, key=answer.batch_id.encode(), headers=headers
            )
        self.answered.mark_sent(name)

    async def _producer(self, uscc: str) -> AIOKafkaProducer:
        if uscc not in self.producers:
            profile = self._profile(uscc)
            producer = AIOKafkaProducer(
                bootstrap_servers=profile["bootstrap"],
                security_protocol=profile["security_protocol"],
                sasl_mechanism="SCRAM-SHA-512",
                sasl_plain_username=profile["user"],
                sasl_plain_password=profile["password"],
                acks="all",
                enable_idempotence=True,
            )
            try:
                await producer.start()
            except KafkaError:
                await producer.stop()
                raise
            self.producers[uscc] = producer
        return self.producers[uscc]

    def _profile(self, uscc: str) -> dict[str, Any]:
        """The bank's credentials profile; OSError while the bank is not registered from here."""
        return tomllib.loads((self.profiles / f"{uscc}.toml").read_text("utf-8"))


def _bank_of(answer: Answer) -> str:
    source: str = json.loads(answer.value)["source"]
    return source.removeprefix("urn:uscc:")


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


def serve(environ: Mapping[str, str], *, fail_every: int = 0) -> int:
    """Runs until SIGTERM or SIGINT. 2 where a setting named `BANK_…` is missing."""
    missing = [f"BANK_{name}" for name in NAMES if not environ.get(f"BANK_{name}")]
    if missing:
        log.error("缺少环境变量 / missing: %s", ", ".join(missing))
        return 2
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    asyncio.run(_serve(environ, fail_every))
    return 0


async def _serve(environ: Mapping[str, str], fail_every: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with httpx.Client(timeout=10.0, trust_env=False) as http:
        office = Office(
            http=http,
            enrolment_url=environ["BANK_ENROLMENT_URL"],
            issuer_url=environ["BANK_ISSUER_URL"],
            secret=environ["BANK_ISSUER_SECRET"],
            handler=environ["BANK_HANDLER"],
        )
        bank = Bank(
            folder=Path(environ["BANK_FOLDER"]),
            profiles=Path(environ["BANK_PROFILES_FOLDER"]),
            answered=Answered(Path(environ["BANK_ANSWERS_FOLDER"])),
            office=office,
            fail_every=fail_every,
            producers={},
        )
        await bank.run(stop)
