"""What must hold before a run is a figure: receipts, counts, digests in three places, root, read models."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from zeren.cli.reconcile import READER, compare_all
from zeren.stack.client import Local
from zeren.stack.days import wait_drained
from zeren.stack.local import SERVICES, Servers
from zeren.stack.whole import run_task

SETTLE_SECONDS = 60.0
SHOWN = 5


def check_receipts(sent: Mapping[str, Any], built: Mapping[str, Any]) -> list[str]:
    """Every submission has one receipt, which accepts all of it; together they led to the expected facts."""
    found = []
    if sent["accepted"] != built["submissions"]:
        found.append(
            f"receipts: {sent['accepted']} of {built['submissions']} accepted, codes {sent['codes']}"
        )
    if sent["twice"]:
        found.append(f"receipts: {sent['twice']} came twice")
    return found


def check_counts(facts: int, expected: int, ledgered: int) -> list[str]:
    """The run led to the facts that follow from its submissions, and the ledger has each of them once."""
    found = []
    if facts != expected:
        found.append(f"facts: {facts}, expected {expected}")
    if ledgered != facts:
        found.append(f"ledger: {ledgered} entries, {facts} facts")
    return found


def check_stores(servers: Servers, show: Callable[[str], None]) -> list[str]:
    """Event tables, Kafka and ledger hold the same bytes, the root is recomputed from the entries.

    As `zeren audit reconcile`, over everything in the store.
    """
    with Local(servers.state) as local:
        wait_drained(local)
    found = compare_all(servers.state, servers.kafka_as(READER), SERVICES, seconds=SETTLE_SECONDS, show=show)
    if found.same and found.settled:
        return []
    differing = [f"{one.service}/{one.partition}: {sorted(one.kinds)}" for one in found.reports if one.kinds]
    told = f"settled {found.settled}, root {found.root_agrees}, unclaimed {found.unclaimed}"
    return [f"reconcile: {told}, {differing[:SHOWN]}"]


def check_read_models(servers: Servers) -> list[str]:
    """Every read model is a fold of the facts: as `zeren projection verify`."""
    found = []
    for service in SERVICES:
        done = run_task(servers.state, service, "projection", "verify")
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        found += [f"read model {service}/{row['name']}" for row in rows if not row.get("equal")]
        if done.returncode and not rows:
            found.append(f"read models of {service}: exit code {done.returncode}")
    return found
