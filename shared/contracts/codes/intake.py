"""Codes of the intake, the same in every service, and of people's actions."""

from __future__ import annotations

from shared.contracts.codes.code import Code

CODES = (
    Code("request.length_missing", "请求须带 Content-Length", "The request needs a Content-Length"),
    Code("request.too_large", "请求超过 1 MiB：请拆分", "The request is over 1 MiB: split it"),
    Code("service.unavailable", "暂时不可用：请稍后重试", "Not available for a moment: try again shortly"),
    Code(
        "service.fault", "内部错误，未作任何处理：请联系运维", "A fault; nothing was done: tell the operator"
    ),
    Code("handler.unknown", "没有该经办人员", "No such handler"),
    Code("submission.empty", "消息体为空：请发送已签名的文档", "The body is empty: send the signed document"),
    Code("submission.too_large", "消息超过 262144 字节：请拆分", "The body is over 262,144 bytes: split it"),
    Code(
        "submission.unreadable",
        "不是可读的 UTF-8 JSON 文档：请检查编码与格式",
        "Not a readable UTF-8 JSON document: check encoding and form",
    ),
    Code(
        "submission.id_unreadable",
        "文档编号 id 缺失或不合规（1–64 个普通字符）",
        "The document's id is missing or malformed (1–64 plain characters)",
    ),
    Code(
        "submission.source_unreadable",
        "source 应为 urn:uscc:<统一社会信用代码>",
        "source must be urn:uscc:<USCC>",
    ),
    Code(
        "submission.unknown_type",
        "未知的文档类型：请查阅事件目录",
        "Unknown document type: see the event catalogue",
    ),
    Code(
        "submission.wrong_topic",
        "该类型不归此服务受理：请发往正确的主题",
        "This service does not take this type: send it to the right topic",
    ),
    Code(
        "submission.invalid_field",
        "字段缺失、多余或取值不合规：见 field",
        "A field is missing, superfluous or out of bounds: see field",
    ),
    Code(
        "submission.nonce_too_short",
        "nonce 至少 128 位随机数（22 个 base64url 字符）",
        "nonce needs at least 128 random bits (22 base64url characters)",
    ),
    Code("submission.time_without_zone", "time 须带时区", "time needs a zone offset"),
    Code("submission.line_doubled", "同一对象在名单中出现两次", "The same thing stands twice in the list"),
    Code(
        "submission.id_reused",
        "该编号已用于另一内容：更正请使用新编号",
        "This id was used for another body: use a new id for a correction",
    ),
    Code(
        "submission.sender_not_entitled",
        "本类机构不得提交此类文档",
        "An organisation of this kind may not send this type",
    ),
    Code("signature.missing", "缺少 jws 签名头", "The jws header is missing"),
    Code(
        "signature.malformed",
        "jws 不是合规的分离式签名（RFC 7797）",
        "jws is not a detached signature (RFC 7797)",
    ),
    Code("signature.algorithm_not_allowed", "只接受 Ed25519 签名", "Only Ed25519 signatures are taken"),
    Code(
        "signature.invalid",
        "签名与内容不符：须对原始字节签名",
        "The signature does not match: sign the exact bytes",
    ),
    Code("signature.key_unknown", "签名密钥未登记", "The signing key is not registered"),
    Code(
        "signature.key_not_valid_then",
        "签名密钥在接收时不在有效期内",
        "The signing key was not valid when the record was taken",
    ),
    Code(
        "signature.key_of_other_institution",
        "签名密钥属于另一机构",
        "The signing key belongs to another organisation",
    ),
    Code(
        "reference.malformed",
        "编号须为 1–64 个普通字符（字母、数字、._-）",
        "A reference is 1–64 plain characters (letters, digits, ._-)",
    ),
    Code(
        "reference.looks_personal",
        "编号疑似证件号或手机号：请改用内部编号",
        "A reference looks like an ID or phone number: use one of your own",
    ),
    Code(
        "trainee.id_number_invalid",
        "身份证号码校验不通过：请核对证件",
        "The ID number's date or check digit is wrong: check the document",
        "GB 11643-1999",
    ),
    Code(
        "parking.deadline_passed",
        "等待期满，所等待的事项仍未出现：见 awaited",
        "The waiting time is over and what was awaited has not come: see awaited",
        "demo-procedure parking_business_days",
    ),
    Code("action.not_authenticated", "请先登录", "Authenticate first"),
    Code(
        "action.duty_not_held",
        "您不承担该职责：请由责任人办理",
        "You don't hold this duty: let its holder act",
        "人社厅发〔2023〕55号 二(十三)",
    ),
    Code(
        "action.idempotency_key_missing", "请求须带 Idempotency-Key", "The request needs an Idempotency-Key"
    ),
    Code(
        "action.idempotency_key_reused",
        "该 Idempotency-Key 已用于另一请求",
        "This Idempotency-Key was used for another request",
    ),
)
