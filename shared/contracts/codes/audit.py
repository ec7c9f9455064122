"""Codes of audit."""

from __future__ import annotations

from shared.contracts.codes.code import Code

CODES = (
    Code(
        "evidence.unknown",
        "没有可读的原始报送：从未收到，或其本人信息已删除",
        "No readable submission is kept under that digest: it never came, or its person is erased",
    ),
    Code(
        "reading.reason_missing",
        "查阅个人信息须说明原因：reason 为 2–32 位大写字母、数字或 _",
        "Personal data is shown for a stated reason only: reason is 2–32 of A–Z, 0–9, _",
        "个人信息保护法 第五十一条",
    ),
)
