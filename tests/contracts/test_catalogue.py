"""The event catalogue names every fact with who writes and who reads it, in Chinese and English."""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from importlib import import_module
from typing import Any

import pytest

from docs.generation import meanings
from docs.generation.catalogue import markdown, sections
from docs.generation.meanings import faults, field_meaning, meaning, term
from docs.generation.page import page
from docs.generation.parties import (
    FOLLOWER,
    LEDGER,
    POLICY,
    REACTION,
    READ_MODEL,
    RECEIPT,
    Reader,
    readers,
    writers,
)
from docs.generation.schemas import contract_classes
from shared.contracts.fact import SERVICES, Fact, FactType, fact_type, registered
from shared.contracts.payment import SubsidyPaid
from shared.contracts.submission import SUBMISSIONS
from tests.architecture.test_documents import GUIDES
from tests.contracts.make_golden import CONTRACTS

FACTS = [entry for module in CONTRACTS for entry in registered() if entry.service == module.SERVICE]
CHINESE = re.compile(r"[\u4e00-\u9fff]")
EVERYBODY = {Reader("audit", LEDGER)}
LARGEST_PAGE = 300_000
"""Bytes: it is committed, and opened from a disk."""


@cache
def events() -> str:
    """`docs/events.md` as `make docs` writes it."""
    return "\n".join(markdown())


@pytest.fixture(scope="module")
def html() -> str:
    """The page as `make docs` writes it."""
    return page()


@pytest.mark.parametrize(
    ("name", "wrote", "read"),
    [
        (
            "zeren.payment.SubsidyPaid.v1",
            ["claim"],
            {
                Reader("payment", READ_MODEL, "claims_by_stage"),
                Reader("audit", READ_MODEL, "claims"),
                Reader("audit", READ_MODEL, "progress_by_region"),
                Reader("audit", READ_MODEL, "responsibility"),
            },
        ),
        (
            "zeren.enrolment.TrainingNotCompleted.v1",
            ["enrolment"],
            {Reader("certification", POLICY, "when_training_not_completed")},
        ),
        (
            "zeren.enrolment.BusinessDayOpened.v1",
            ["business_day"],
            {Reader(service, REACTION, "adopt") for service in ("certification", "payment", "audit")},
        ),
        (
            "zeren.payment.PaymentBatchCreated.v1",
            ["payment_batch"],
            {Reader("payment", READ_MODEL, "batches"), Reader("payment", FOLLOWER, "payment.bank")},
        ),
        ("zeren.certification.SubmissionRejected.v1", ["receipt"], {Reader("institutions", RECEIPT)}),
        ("zeren.audit.PersonalDataRead.v1", ["readings"], set()),
    ],
)
def test_who_writes_and_who_reads(name: str, wrote: list[str], read: set[Reader]) -> None:
    """Worked out by hand from the services' own files."""
    assert writers(fact_type(name)) == wrote
    assert set(readers(fact_type(name))) == read | EVERYBODY


@pytest.mark.parametrize("service", SERVICES)
def test_everything_that_a_service_follows_is_named(service: str) -> None:
    """No policy, reaction or read model is left out."""
    consumers = import_module(f"services.{service}.consumers")
    named = {
        (entry.service, entry.cls) for entry in FACTS for each in readers(entry) if each.party == service
    }
    followed = {(source, cls) for source, policies in consumers.SOURCES.items() for cls in policies}
    assert followed <= named
    classes = {cls for _, cls in named}
    assert {cls for projection in consumers.PROJECTIONS for cls in projection.reads} <= classes


def test_a_fact_that_no_decider_writes_is_an_error() -> None:
    """It could never happen."""

    class Unheard(Fact, frozen=True):
        """Nobody decides it."""

    with pytest.raises(LookupError, match="no decider of payment"):
        writers(FactType("zeren.payment.Unheard.v1", "payment", Unheard, "", ""))


def test_every_fact_and_submission_has_its_place_on_both() -> None:
    """One anchor each."""
    names = [entry.name for entry in FACTS] + [*SUBMISSIONS]
    for text, anchor in ((events(), '<a id="{}">'), (page(), '<article id="{}">')):
        assert [name for name in names if text.count(anchor.format(name)) != 1] == []


def test_every_meaning_is_there_in_both_languages() -> None:
    """Of each class and each field; no row is left over."""
    assert faults(contract_classes()) == []
    for cls in contract_classes():
        assert CHINESE.search(term(cls)), cls
        assert CHINESE.search(meaning(cls).zh), cls
    assert field_meaning(SubsidyPaid, "paid_on").both == "付款日期 / the bank's value date."


def test_a_missing_and_a_superfluous_meaning_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the file and the name."""
    rows: dict[str, dict[str, Any]] = {
        kind: {name: row for name, row in found.items() if name not in ("SubsidyPaid", "bank_ref")}
        for kind, found in meanings._rows().items()
    }
    rows["fields"]["unheard_of"] = ["x", "x"]
    monkeypatch.setattr(meanings, "_rows", lambda: rows)
    told = "\n".join(faults(contract_classes()))
    assert "meanings.toml lacks the meaning of SubsidyPaid\n" in told
    assert "meanings.toml lacks the meaning of SubsidyPaid.bank_ref\n" in told
    assert "meanings.toml 的 unheard_of 无人使用，请删除" in told


class _Page(HTMLParser):
    """What a browser would fetch or follow, and which anchors there are."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.fetched += [tag] if tag in {"link", "img", "iframe", "object"} or "src" in values else []
        self.links += [values["href"] or ""] if tag == "a" else []
        self.anchors |= {values["id"] or ""} if "id" in values else set()


def test_the_page_needs_nothing_but_itself(html: str) -> None:
    """No address and no other file is fetched; links lead to its own anchors and to the schemas."""
    parsed = _Page()
    parsed.feed(html)
    assert parsed.fetched == []
    assert not re.search(r"https?://|@import|url\(|fetch\(|XMLHttpRequest", html)
    assert {link.removeprefix("#") for link in parsed.links if link.startswith("#")} <= parsed.anchors
    schemas = {link for link in parsed.links if not link.startswith("#")}
    assert schemas == {
        f"../contracts/{entry.schema}" for part in sections() for entry in part.entries if entry.schema
    }
    assert len(html.encode()) < LARGEST_PAGE


def test_nothing_in_the_page_escapes_its_text(html: str) -> None:
    """What docstrings say in angle brackets is text."""
    assert "urn:zeren:&lt;service&gt;" in html
    assert "<service>" not in html


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.name)
def test_links_into_the_catalogue_lead_to_an_entry(path: Any) -> None:
    """`events.md#…` of any guide is an anchor or a heading there."""
    text = events()
    anchors = set(re.findall(r'<a id="([^"]+)">', text))
    headings = {
        re.sub(r"[^\w\- ]", "", line[3:].lower()).replace(" ", "-")
        for line in re.findall(r"^## .+$", text, re.MULTILINE)
    }
    wanted = set(re.findall(r"events\.md#([^)\s]+)\)", path.read_text("utf-8")))
    assert wanted <= anchors | headings
