"""The ledger: appending from Kafka alone, the full check, proofs.

The full check and the proofs are an auditor's: the product's own verifier (`zeren.verify`) on a mirror of the log's
files, as `zeren ledger verify --where FOLDER` runs it; and once more over HTTP, where the service reads and packs
what it checks.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from bench.figures import per_100k, points
from bench.processes import memory_mb, spent
from bench.profiling import POSTGRES
from bench.scratch import scratch_database
from bench.throughput import Bench
from bench.topics import LEDGER_DATABASE
from bench.watch import Stores
from shared.tlog.checkpoint import open_checkpoint
from shared.tlog.notes import VerifierKey
from shared.tlog.proof_file import ProofFile
from shared.tlog.proofs import TileCache, TileHashes, inclusion_proof
from shared.tlog.tiles import decode_bundle, tile_width
from zeren.stack.child import child_process
from zeren.stack.days import wait_drained
from zeren.stack.whole import ledger_vkey
from zeren.verify import ledger as verifier
from zeren.verify.copying import copy_ledger
from zeren.verify.files import SourceReader
from zeren.verify.sources import open_source

WORKER = "ledger-alone"
PROOFS, DOSSIER, DOSSIERS = 1_000, 50, 20
MIRROR = "bench-log"
TILES_KEPT = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What came of it.

    Attributes:
        append_per_s: leaves a second from Kafka into an empty audit database, every transaction durable.
        append_cpu_per_100k: CPU seconds per 100,000 leaves by process.
        append_rss_mb: peak memory of the process that appends.
        check_per_s: leaves a second of the full check, on a mirror of the log's files.
        check_http_per_s: the same asking the running service for each file.
        inclusion_proof_ms: making a proof from the mirror's tiles; a tile is read and hashed once.
        dossier_ms: verifying proofs and entries of 50 facts offline, the signature of each proof's checkpoint too.
    """

    leaves: int
    append_per_s: float
    append_seconds: float
    append_cpu_per_100k: dict[str, float]
    append_rss_mb: float
    check_per_s: float
    check_http_per_s: float
    inclusion_proof_ms: dict[str, float]
    dossier_facts: int
    dossier_ms: dict[str, float]

    def told(self) -> dict[str, Any]:
        """For the report."""
        return asdict(self)


def run_ledger(bench: Bench) -> Ledger:
    """Measures all of it on what the store holds. Raises: StackError, TlogError, VerifyError."""
    wait_drained(bench.local)
    appended = _append(bench)
    where, vkey = f"{bench.local.url('audit')}/log", ledger_vkey(bench.servers.state)
    bench.progress("全账核验（HTTP）/ full check over HTTP")
    http = _leaves_per_s(where, vkey)
    folder = bench.servers.state.path / MIRROR
    shutil.rmtree(folder, ignore_errors=True)
    try:
        bench.progress("建立镜像，全账核验 / making a mirror, full check of it")
        copy_ledger(where, folder, vkey)
        mirrored = _leaves_per_s(str(folder), vkey)
        bench.progress("证明 / proofs")
        proofs, seconds = prove_some(folder, vkey, PROOFS, Random(bench.seed))  # noqa: S311 - a choice of facts
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    dossiers = dossier_ms(proofs, vkey)
    return Ledger(
        **appended,
        check_per_s=mirrored,
        check_http_per_s=http,
        inclusion_proof_ms=points([one * 1_000 for one in seconds]),
        dossier_facts=DOSSIER,
        dossier_ms=points(dossiers),
    )


def _append(bench: Bench) -> dict[str, Any]:
    """Audit's consumer alone, on an empty database beside the live one, whose service rests meanwhile.

    Its consumer group stays behind: Kafka forgets one without members by itself.
    """
    servers = bench.servers
    group = f"audit.bench-{secrets.token_hex(4)}"
    with (
        scratch_database(servers.postgres, LEDGER_DATABASE),
        Stores.of(servers) as stores,
        child_process(servers.state, WORKER, "bench.ledger_worker", servers.state.path.name, group) as child,
    ):
        before = bench.look(stores.administration, [child])
        done = child.ask({"append": {"leaves": stores.sample().ledgered}})
        used = spent(before, bench.look(stores.administration, [child]))
        peak = memory_mb(child.pid)["peak"]
    leaves = done["leaves"]
    wanted = (WORKER, *bench.layout.brokers)
    cpu = {**{name: used.processes[name] for name in wanted}, POSTGRES: used.postgres}
    return {
        "leaves": leaves,
        "append_per_s": round(leaves / done["seconds"], 1),
        "append_seconds": round(done["seconds"], 3),
        "append_cpu_per_100k": per_100k(cpu, leaves),
        "append_rss_mb": round(peak, 1),
    }


def _leaves_per_s(where: str, vkey: str) -> float:
    """Raises: TlogError, VerifyError: the ledger does not hold."""
    began = time.monotonic()
    found = verifier.verify(where, vkey)
    return round(found.facts / (time.monotonic() - began), 1)


def prove_some(
    folder: Path, vkey: str, count: int, rng: Random
) -> tuple[list[tuple[str, bytes]], list[float]]:
    """(proof file, entry) of that many facts by chance, and the seconds that each proof took to make."""
    note = (folder / "checkpoint").read_text("utf-8")
    size = open_checkpoint(note.encode(), [VerifierKey.parse(vkey)]).size
    proofs, seconds = [], []
    with open_source(str(folder)) as source:
        reader = SourceReader(source)
        hashes = TileHashes(TileCache(reader, TILES_KEPT), size)
        for index in sorted(rng.sample(range(size), min(count, size))):
            began = time.perf_counter()
            proof = inclusion_proof(hashes, index, size)
            seconds.append(time.perf_counter() - began)
            bundle, at = divmod(index, 256)
            entry = decode_bundle(reader.read_entries(bundle, tile_width(size, 0, bundle)))[at]
            proofs.append((str(ProofFile(index, tuple(proof), note)), entry))
    return proofs, seconds


def dossier_ms(proofs: Sequence[tuple[str, bytes]], vkey: str) -> list[float]:
    """Milliseconds to verify `DOSSIER` proofs with their entries, as often as `DOSSIERS` says, each time others."""
    found = []
    for place in range(DOSSIERS):
        chosen = [proofs[(place * DOSSIER + one) % len(proofs)] for one in range(DOSSIER)]
        began = time.perf_counter()
        for proof, entry in chosen:
            verifier.verify_proof(proof, entry, vkey)
        found.append((time.perf_counter() - began) * 1_000)
    return found
