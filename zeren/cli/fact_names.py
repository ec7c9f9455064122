"""What facts are called in Chinese, for tables: one short term each."""

from __future__ import annotations

from collections.abc import Mapping

FACT_NAMES: Mapping[str, str] = {
    "BusinessDayOpened": "业务日期已开启",
    "BusinessDayAdopted": "业务日期已采纳",
    "InstitutionRegistered": "机构已登记",
    "InstitutionKeyRegistered": "机构密钥已登记",
    "InstitutionKeyRevoked": "机构密钥已撤销",
    "PayeeAccountRegistered": "收款账户已登记",
    "ClassApplied": "开班已申请",
    "ClassApproved": "开班已批准",
    "TraineeEnrolled": "已报名",
    "AttendanceSheetRecorded": "考勤表已登记",
    "SessionAttended": "已出勤",
    "ClassCompleted": "班级已结业",
    "TrainingCompleted": "已结业",
    "TrainingNotCompleted": "未结业",
    "ErasureOrdered": "已下达删除",
    "ErasureConfirmed": "删除已确认",
    "ErasureWithdrawn": "删除已撤回",
    "ErasureAnswered": "删除答复",
    "SubjectErased": "已删除",
    "AssessmentBodyApproved": "评价机构获批",
    "CandidateRegistered": "考生已登记",
    "AssessmentResultRecorded": "成绩已登记",
    "AssessmentResultApproved": "成绩已确认",
    "CertificateIssued": "已取证",
    "PolicyPublished": "政策包启用",
    "SubsidyClaimed": "补贴已申领",
    "EntitlementReserved": "享受资格已占用",
    "EntitlementRefused": "享受资格已被占用",
    "EntitlementReleased": "享受资格已释放",
    "ClaimRefused": "不予通过",
    "ClaimAccepted": "已受理",
    "ClaimReviewed": "已初审或复核",
    "ClaimPublicised": "公示中",
    "ClaimApproved": "已审批",
    "PaymentBatchCreated": "拨付批次",
    "PaymentOrdered": "拨付中",
    "SubsidyPaid": "已支付",
    "PaymentFailed": "退票",
    "PaymentBatchReconciled": "批次已对账",
    "PersonalDataRead": "个人信息被查阅",
    "SubmissionAccepted": "回执（接受）",
    "SubmissionRejected": "回执（退回）",
    "SubmissionQuarantined": "无法归属",
    "SubmissionIdReused": "编号被重用",
    "ActionRefused": "越权被拒",
    "ForeignFactDiscardRequested": "请求放弃外来事实",
    "ForeignFactDiscarded": "已放弃外来事实",
}


def fact_name(kind: str) -> str:
    """The two names of a fact type: "已支付 / SubsidyPaid"; the type itself where it is none of ours."""
    parts = kind.split(".")
    title = parts[2] if len(parts) == 4 else kind
    return f"{FACT_NAMES[title]} / {title}" if title in FACT_NAMES else title
