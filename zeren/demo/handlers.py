"""What handlers (经办人员) do: each looks at their own work list and decides over HTTP with their own token.

Those who hold the same duty share the work; the steps of one claim are done by different people.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from zeren.demo.dataset import Dataset
from zeren.stack.client import Local
from zeren.stack.days import wait_drained
from zeren.stack.errors import StackError
from zeren.stack.handlers import handlers_with

Item = dict[str, Any]
Decide = Callable[[str, list[Item]], list[Item]]
"""(bearer token, what waits) → an outcome for each."""

PAGE = 100
AT_ONCE = 300
"""Claims of one decision or batch, at most."""
ROUNDS = 5
BANK_SECONDS = 180.0
POLL_SECONDS = 0.02


class WorkLeft(StackError):
    """A handler was refused, or something still waits after every handler has worked."""


class Handlers:
    """All handlers of the demo, at their steps. `step` does one of them for everything that waits."""

    def __init__(self, local: Local, dataset: Dataset) -> None:
        self._local = local
        self._dataset = dataset
        self._steps: dict[str, Callable[[], int]] = {
            "approve_classes": self._approve_classes,
            "accept": lambda: self._decide("D8", "accept", refusing="ACCEPT"),
            "review": self._review,
            "publicise": lambda: self._decide("D11", "publicise"),
            "approve": lambda: self._decide("D12", "approve"),
            "pay": self._pay,
        }

    def step(self, name: str) -> int:
        """Does a step of the timetable; answers how many decisions it took.

        Raises:
            WorkLeft, ServiceRefused, ServiceUnreachable, NotDrained
        """
        return self._steps[name]()

    def _approve_classes(self) -> int:
        def approve(bearer: str, items: list[Item]) -> list[Item]:
            body = {"decision": "approve", "class_ids": [item["class_id"] for item in items]}
            outcomes = self._local.post("enrolment", "/classes/decisions", body, bearer=bearer)["outcomes"]
            return list(outcomes)

        return self._share("enrolment", "D3", approve)

    def _review(self) -> int:
        first = self._decide("D9", "first_review", refusing="FIRST_REVIEW")
        return first + self._decide("D10", "re_review")

    def _decide(self, duty: str, action: str, *, refusing: str = "") -> int:
        """One action on every claim that waits for a duty, but for those that are refused at this stage."""

        def decide(bearer: str, items: list[Item]) -> list[Item]:
            usual, refused = [], []
            for item in items:
                exception = self._dataset.refusing.get(item["certificate_id"])
                if exception is not None and exception.stage == refusing:
                    refused.append({"claim_id": item["claim_id"], "reasons": [exception.code]})
                else:
                    usual.append({"claim_id": item["claim_id"]})
            return [*self._post(bearer, action, usual), *self._post(bearer, "refuse", refused)]

        return self._share("payment", duty, decide)

    def _post(self, bearer: str, action: str, claims: Sequence[Item]) -> Iterator[Item]:
        for some in _parts(claims):
            body = {"action": action, "claims": some}
            yield from self._local.post("payment", "/claims/decisions", body, bearer=bearer)["outcomes"]

    def _pay(self) -> int:
        """A batch a region; returns when the bank has answered every one of them."""

        def order(bearer: str, items: list[Item]) -> list[Item]:
            by_region: dict[str, list[str]] = defaultdict(list)
            for item in items:
                by_region[item["region"]].append(item["claim_id"])
            outcomes: list[Item] = []
            for region, claims in sorted(by_region.items()):
                for some in _parts(claims):
                    body = {"region": region, "bank": self._dataset.bank, "claims": some}
                    answer = self._local.post("payment", "/payment-batches", body, bearer=bearer)
                    outcomes += answer["outcomes"]
            return outcomes

        done = self._share("payment", "D14", order)
        self._await_bank()
        return done

    def _await_bank(self) -> None:
        deadline = time.monotonic() + BANK_SECONDS
        bearer = self._local.as_duty("D14")
        while True:
            batches = self._local.pages("payment", "/payment-batches", bearer=bearer, params={"limit": PAGE})
            waiting = [batch for batch in batches if batch["reconciled_on"] is None]
            if not waiting:
                return
            if time.monotonic() >= deadline:
                raise WorkLeft(
                    f"银行 {BANK_SECONDS:g} 秒内未答复 {len(waiting)} 个批次；请看 zeren logs bank",
                    f"the bank left {len(waiting)} batches unanswered; see zeren logs bank",
                )
            time.sleep(POLL_SECONDS)

    def _share(self, service: str, duty: str, decide: Decide) -> int:
        """Everybody who holds the duty decides a share of their own work list, until nothing waits."""
        handlers = handlers_with(duty)
        done = 0
        for _round in range(ROUNDS):
            wait_drained(self._local)
            shares = [
                (bearer, self._waiting(service, duty, bearer)[turn :: len(handlers)])
                for turn, bearer in enumerate(map(self._local.handler_token, handlers))
            ]
            if not any(items for _, items in shares):
                return done
            for bearer, items in shares:
                if items:
                    done += _all_done(decide(bearer, items), duty)
        raise WorkLeft(f"{duty} 的待办办不完", f"the work of {duty} does not end")

    def _waiting(self, service: str, duty: str, bearer: str) -> list[Item]:
        items = self._local.pages(service, "/worklist", bearer=bearer, params={"limit": PAGE})
        return [item for item in items if item.get("duty", duty) == duty and item.get("ready", True)]


def _all_done(outcomes: Sequence[Item], duty: str) -> int:
    for outcome in outcomes:
        if outcome["outcome"] == "refused":
            raise WorkLeft(
                f"经办（{duty}）被拒：{outcome['code']}",
                f"a decision ({duty}) was refused: {outcome['code']}",
            )
    return len(outcomes)


def _parts(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (items[at : at + AT_ONCE] for at in range(0, len(items), AT_ONCE))
