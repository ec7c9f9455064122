"""Codes of certification."""

from __future__ import annotations

from shared.contracts.codes.code import Code

_NOTICE = "人社厅发〔2023〕55号"

CODES = (
    Code(
        "body.not_approved",
        "评价机构未获批准或已过有效期",
        "The assessment body is not approved, or not on that day",
        f"{_NOTICE} 二(十)",
    ),
    Code(
        "body.already_approved",
        "该评价机构已获批准，且内容不同",
        "The assessment body is approved already, with other particulars",
    ),
    Code(
        "body.scope_not_covered",
        "职业或等级超出批准范围",
        "The occupation or level is outside the approved scope",
        "闽人社办〔2024〕40号 二",
    ),
    Code(
        "body.is_training_institution",
        "评价机构不得评价自己培训的学员（考培分离）",
        "A body may not assess those it trained (trainer ≠ assessor)",
    ),
    Code(
        "body.period_reversed",
        "有效期截止日早于起始日：请更正",
        "The approval ends before it starts: correct the dates",
    ),
    Code("candidate.unknown", "没有该考生", "No such candidate"),
    Code("candidate.reference_used", "该考生编号已使用", "The candidate reference was used already"),
    Code(
        "candidate.person_differs",
        "考生与报名记录不是同一人",
        "The candidate is not the person of that enrolment",
    ),
    Code(
        "candidate.occupation_differs",
        "职业或等级与培训班不同",
        "Occupation or level differ from the class's",
    ),
    Code("candidate.training_not_completed", "该学员未完成培训", "The trainee did not complete the training"),
    Code("result.already_recorded", "该考生成绩已登记", "The candidate's result is recorded already"),
    Code(
        "result.candidate_of_other_body",
        "考生属于另一评价机构",
        "The candidate is of another assessment body",
    ),
    Code(
        "result.before_training_end",
        "考核日期早于结业日期",
        "The assessment lies before the end of the training",
    ),
    Code("result.in_future", "考核日期晚于业务日期", "The assessment lies after the business date"),
    Code(
        "result.unknown", "该考生尚无成绩：请先登记成绩", "The candidate has no result yet: record it first"
    ),
    Code("result.already_approved", "该成绩已确认", "The result is approved already"),
    Code("certificate.number_used", "证书编号已使用", "The certificate number was used already"),
    Code(
        "certificate.number_missing",
        "合格者须有证书编号",
        "A candidate who passed needs a certificate number",
    ),
    Code("certificate.number_for_failed", "不合格者不得发证", "A candidate who failed gets no certificate"),
    Code(
        "certificate.issued_before_assessment",
        "发证日期早于考核日期",
        "The certificate is dated before the assessment",
    ),
    Code(
        "certificate.issued_in_future",
        "发证日期晚于业务日期",
        "The certificate is dated after the business date",
    ),
    Code(
        "certificate.of_other_person",
        "只能查看本人的证书：请用本人身份登录",
        "You may see only your own certificates: sign in as their holder",
    ),
)
