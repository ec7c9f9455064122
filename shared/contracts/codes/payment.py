"""Codes of payment."""

from __future__ import annotations

from shared.contracts.codes.code import Code

_NOTICE = "人社厅发〔2023〕55号"
_DUTIES = f"{_NOTICE} 二(十三)"

CODES = (
    Code(
        "person.erased",
        "此人的个人信息已删除或正在删除：不能向其本人支付",
        "The person's data is erased or about to be: no money can be paid to them",
        "个人信息保护法 第四十七条",
    ),
    Code("policy.no_targets", "该年度没有目标任务表", "No target table for that year"),
    Code("claim.already_filed", "该申请行已提交", "This line of the application was filed already"),
    Code("claim.unknown", "没有该申领", "No such claim"),
    Code(
        "claim.certificate_unknown",
        "没有该证书，或尚未送达支付服务",
        "No such certificate, or it has not reached payment yet",
    ),
    Code(
        "claim.not_your_trainee",
        "证书持有人不是本机构学员",
        "The certificate's holder was not trained by you",
    ),
    Code("claim.not_your_certificate", "证书不属于您", "The certificate is not yours"),
    Code("claim.no_payee_account", "没有已登记的收款账户", "No payee account is registered"),
    Code(
        "claim.too_late", "已超过申领期限", "The time to claim is over", "demo-procedure claim_within_months"
    ),
    Code("claim.no_standard", "没有适用的补贴标准", "No subsidy standard applies", f"{_NOTICE} 二(十)"),
    Code(
        "entitlement.already_used",
        "同一职业（工种）同一等级不可重复申领",
        "The same occupation and level can't be subsidised twice",
        f"{_NOTICE} 二(十)",
    ),
    Code(
        "claim.wrong_stage", "申领不在该环节：请查看状态", "The claim is not at this stage: look at its state"
    ),
    Code(
        "claim.acted_already",
        "您已在该申领的另一环节办理过：须由他人办理",
        "You acted on this claim at another stage: another person must",
        _DUTIES,
    ),
    Code(
        "claim.refused_by_reviewer", "经审核不予通过：见原因", "Refused at review: see the reasons", _DUTIES
    ),
    Code(
        "review.evidence_insufficient",
        "材料不足以证明培训真实发生",
        "The evidence does not show that the training took place",
        f"{_NOTICE} 一",
    ),
    Code(
        "notice.still_open",
        "公示期未满",
        "The public notice is still open",
        "demo-procedure public_notice_working_days",
    ),
    Code("notice.too_many_claims", "一次最多 300 笔", "At most 300 claims at once"),
    Code("batch.empty", "批次没有申领", "The batch holds no claim"),
    Code(
        "batch.claim_not_approved",
        "申领未获批准或已在其他批次",
        "The claim is not approved, or in another batch",
    ),
    Code(
        "batch.payer_reviewed",
        "拨付人不得是该申领的经办或审批人",
        "The payer may not have handled or approved the claim",
        _DUTIES,
    ),
    Code("batch.other_region", "批次内的申领须属同一区域", "The claims of a batch must be of one region"),
    Code(
        "claim.reason_required",
        "不予通过须注明目录内的原因代码",
        "A refusal needs reason codes of the catalogue",
        _DUTIES,
    ),
    Code("batch.bank_unknown", "没有该银行", "No such bank"),
    Code("batch.other_bank", "该批次不是交由本银行支付的", "The batch was not given to this bank"),
    Code("payment.not_ordered", "该申领不在此批次", "The claim is not in this batch"),
    Code("payment.amount_differs", "金额与批准金额不符", "The amount differs from what was approved"),
    Code("payment.already_answered", "该笔已有银行回单", "The bank has answered this line already"),
    Code("payment.dated_in_future", "支付日期晚于业务日期", "The payment lies after the business date"),
    Code(
        "payment.code_malformed",
        "退票须有原因代码（字母开头，1–32 个普通字符，不含账号）",
        "A failed payment needs a code: a letter, then plain characters, 32 at most, no account number",
    ),
    Code(
        "policy.version_changed",
        "该政策包版本已发布，内容不可更改：请发布新版本",
        "This version of the policy package is published and immutable: publish a new version",
    ),
    Code("policy.no_standard", "没有适用的补贴标准", "No subsidy standard is in force for these facts"),
    Code("policy.no_rule", "没有适用的政策规则", "No policy package in force states this rule"),
    Code("policy.no_calendar", "没有该年度的工作日历", "No calendar package covers that year"),
    Code("policy.unknown_region", "未知地区", "The code lies in no region that has an authority"),
    Code("policy.unknown_occupation", "未知职业（工种）", "The catalogue has no such occupation"),
)
