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
    Code(
        "spans.unreadable",
        "正文不是 OTLP 追踪请求（protobuf），未保存任何片段",
        "The body is no OTLP trace request (protobuf): nothing of it was kept",
    ),
    Code(
        "spans.too_large",
        "解压后超过 8 MiB：请减小每批片段数（OTEL_BSP_MAX_EXPORT_BATCH_SIZE）",
        "Over 8 MiB when decompressed: send fewer spans at once (OTEL_BSP_MAX_EXPORT_BATCH_SIZE)",
    ),
    Code(
        "spans.encoding_unknown",
        "只接受 application/x-protobuf，原样或 gzip 压缩",
        "Only application/x-protobuf is taken, plain or gzip",
    ),
)
