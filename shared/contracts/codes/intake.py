"""Codes of the intake, the same in every service, and of people's actions."""

from __future__ import annotations

from shared.contracts.codes.code import Code

CODES = (
    Code("request.length_missing", "请求须带 Content-Length", "The request needs a Content-Length"),
    Code(
        "request.too_many",
        "请求过于频繁：请按 Retry-After 稍后重试",
        "Too many requests: wait as Retry-After says",
    ),
    Code("request.too_large", "请求超过 1 MiB：请拆分", "The request is over 1 MiB: split it"),
    Code(
        "request.unreadable",
        "请求不可读：正文须为 JSON，任何文本不得含 NUL 字符",
        "The request is not readable: its body must be JSON, and no text may hold a NUL",
    ),
    Code("request.address_too_long", "请求地址超过 4096 字节", "The request's address is over 4,096 bytes"),
    Code("request.headers_too_large", "请求头超过 16384 字节", "The request's headers are over 16,384 bytes"),
    Code(
        "request.unknown_path",
        "没有该路径：请查阅 /openapi.json",
        "There is no such path: see /openapi.json",
    ),
    Code(
        "request.method_not_allowed",
        "该路径不支持此方法：见 Allow",
        "The path does not take this method: see Allow",
    ),
    Code("service.unavailable", "暂时不可用：请稍后重试", "Not available for a moment: try again shortly"),
    Code(
        "service.fault", "内部错误，未作任何处理：请联系运维", "A fault; nothing was done: tell the operator"
    ),
    Code(
        "parked.unknown",
        "没有该停放事实：可能已处理或已放弃",
        "No such parked fact: it was taken in or discarded",
    ),
    Code(
        "parked.waits_behind",
        "该事实本身没有出错，只在等待前一项：请先处理前一项",
        "It did not fail, it waits behind another one: settle that one first",
    ),
    Code(
        "parked.second_person_needed",
        "放弃一项事实须由另一人确认",
        "Giving a fact up needs a second person to agree",
    ),
    Code(
        "signature.key_unknown_too_many",
        "签名密钥未登记，等待该密钥的报送已达上限",
        "The signing key is not registered, and too many submissions wait for it already",
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
        "source 应为 urn:uscc:<统一社会信用代码>，18 位，末位校验码须相符",
        "source must be urn:uscc:<USCC>: 18 characters, the last of which checks the others",
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
        "字段缺失、多余或取值不合规：见 field（有多余字段时，指其所在的对象）",
        "A field is missing, superfluous or out of bounds: see field (the object that holds a superfluous one)",
    ),
    Code(
        "submission.nonce_too_short",
        "nonce 至少 128 位随机数（22 个 base64url 字符）",
        "nonce needs at least 128 random bits (22 base64url characters)",
    ),
    Code("submission.time_without_zone", "time 须带时区", "time needs a zone offset"),
    Code(
        "submission.time_in_future",
        "time 比接收时间晚 24 小时以上：请校准时钟",
        "time lies more than 24 hours after the record was taken: set the clock right",
    ),
    Code(
        "submission.wrong_content_type",
        "datacontenttype 须为 application/json",
        "datacontenttype must be application/json",
    ),
    Code(
        "submission.field_doubled",
        "同一对象中有重名字段：各解析器取值不同，请去除",
        "An object names a field twice, which parsers read differently: remove one",
    ),
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
    Code(
        "submission.recovered",
        "数据库恢复前已部分生效：所列事实有效，其余在恢复后补齐；其后各行若称已存在，即指这些事实",
        "It took effect in part before a database was restored: the facts named stand, the rest was decided after; "
        "lines below that are refused as already there may mean these facts",
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
    Code(
        "action.recovered",
        "该操作在数据库恢复前已生效，原答复已失：事实编号见 facts；如有未尽事项，请核对后另行提交",
        "It took effect before the database was restored, and its answer is gone: see facts; "
        "look at the outcome and send what is missing as a new request",
    ),
)
