"""Records that nobody can be held to: junk, broken and foreign signatures, unknown keys."""

from __future__ import annotations

import codecs
import json
from dataclasses import replace

from zeren.generator import timetable
from zeren.generator.cast import Cast
from zeren.generator.documents import Outbox, Record, base64url, compact, signature
from zeren.generator.organisations import Organisations

_DAYS = (timetable.ENROLLED, timetable.SHEET_DAYS[1], timetable.CANDIDATES, timetable.CLAIMED)


def send_broken(outbox: Outbox, organisations: Organisations, cast: Cast) -> None:
    """Sends each kind of unattributable record before the proper ones of its day: no id may be spent by them."""
    sent = len(outbox.records)
    proper = {day: [record for record in outbox.records if record.day == day] for day in _DAYS}
    for number in range(cast.several):
        day = _DAYS[number % len(_DAYS)]
        models = proper[day]
        step = max(1, len(models) // 12)
        chosen = [models[(number + place * step) % len(models)] for place in range(12)]
        _damaged(outbox, organisations, chosen)
        _signed_by_others(outbox, organisations, chosen[6:], number)
    outbox.records = [*outbox.records[sent:], *outbox.records[:sent]]


def _damaged(outbox: Outbox, organisations: Organisations, models: list[Record]) -> None:
    nonce = json.loads(models[0].value)["nonce"].encode()
    turned = nonce[:-1] + (b"A" if nonce[-1:] != b"A" else b"Q")
    flipped = models[0].value.replace(nonce, turned)
    outbox.put(replace(models[0], value=flipped), case="flipped_byte")
    sender = organisations.by_uscc(models[1].party)
    outbox.put(replace(models[1], jws=signature(sender, models[2].value)), case="signature_over_other_bytes")
    outbox.put(replace(models[2], jws=None), case="signature_missing")
    outbox.put(replace(models[3], value=models[3].value[:-25]), case="malformed_json")
    text = models[4].value.decode()
    outbox.put(replace(models[4], value=codecs.BOM_UTF16_LE + text.encode("utf-16-le")), case="not_utf8")
    outbox.put(replace(models[5], key=None, value=b""), case="empty_body")


def _signed_by_others(
    outbox: Outbox, organisations: Organisations, models: list[Record], number: int
) -> None:
    stranger = organisations.stranger
    document = json.loads(models[0].value) | {"source": stranger.source}
    value = compact(document)
    outbox.put(replace(models[0], value=value, jws=signature(stranger, value)), case="unknown_key")
    other = next(one for one in organisations.schools if one.uscc != models[1].party)
    outbox.put(replace(models[1], jws=signature(other, models[1].value)), case="key_of_other_institution")
    own = organisations.by_uscc(models[2].party)
    outbox.put(
        replace(models[2], jws=signature(own, models[2].value, algorithm="HS256")),
        case="algorithm_not_allowed",
    )
    outbox.put(
        replace(models[3], jws=base64url(f"not a signature {number}".encode())), case="signature_malformed"
    )
