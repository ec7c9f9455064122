"""Codes of enrolment."""

from __future__ import annotations

from shared.contracts.codes.code import Code

_NOTICE = "人社厅发〔2023〕55号"

CODES = (
    Code(
        "erasure.not_ordered",
        "没有待确认的删除指令：请先下达",
        "There is no order to confirm: order it first",
    ),
    Code(
        "erasure.same_handler",
        "下达与确认须为两人：请由另一经办人员确认",
        "Whoever ordered can't confirm: let another handler do it",
        "个人信息保护法 第五十一条",
    ),
    Code(
        "erasure.payment_not_answered",
        "支付尚未答复是否仍有在途款项：请稍后再确认",
        "Payment has not answered yet whether money is on its way: confirm again shortly",
    ),
    Code(
        "erasure.payment_under_way",
        "有款项在途或申领未结束，须待支付或不予通过后重新下达",
        "A claim to the person's own account is still open: order again once it is paid or refused",
    ),
    Code(
        "erasure.confirmed_already",
        "删除已确认，不可撤回",
        "The erasure is confirmed and can't be withdrawn",
    ),
    Code("person.unknown", "系统中没有此人的培训记录", "Nobody of this ID number has been enrolled"),
    Code(
        "institution.already_registered",
        "该机构已登记，且登记内容不同",
        "The organisation is registered already, with other particulars",
    ),
    Code("institution.unknown", "机构未登记", "The organisation is not registered"),
    Code(
        "institution.uscc_invalid",
        "统一社会信用代码校验不通过",
        "The USCC's check character is wrong",
        "GB 32100-2015",
    ),
    Code("institution.key_used", "该密钥编号已被登记", "The key id is registered already"),
    Code(
        "institution.key_malformed",
        "公钥须为 32 字节 Ed25519（base64url）",
        "The public key must be 32 bytes Ed25519 (base64url)",
    ),
    Code(
        "institution.key_period_empty",
        "密钥失效时间须晚于生效时间",
        "A key must end after it begins",
    ),
    Code("institution.key_unknown", "该机构没有此编号的密钥", "The organisation has no key of that id"),
    Code(
        "institution.key_revoked_already",
        "该密钥已撤销，失效时间不再改变",
        "The key was revoked already; its end stands",
    ),
    Code(
        "institution.key_ends_earlier",
        "该密钥登记的失效时间更早，无须撤销",
        "The key ends by itself before that instant",
    ),
    Code(
        "institution.unknown_region",
        "登记机关须为十个设区市（含平潭）之一或省级 350000",
        "The registering authority is none of the ten, nor the province 350000",
        "闽人社办〔2024〕40号 附件",
    ),
    Code(
        "institution.account_missing",
        "培训机构须登记收款账户",
        "A training institution needs a payee account",
    ),
    Code(
        "businessday.not_open",
        "尚未开启首个业务日期：请先开启",
        "No business day is open yet: open the first one",
    ),
    Code(
        "businessday.too_many",
        "一次最多开启 400 个业务日期：请分次开启",
        "At most 400 business days at once: open them in parts",
    ),
    Code(
        "businessday.no_calendar",
        "没有该年度的工作日历：请先载入日历政策包",
        "No calendar package covers that year: load it first",
    ),
    Code(
        "businessday.not_next",
        "业务日期须逐日开启，且不早于当前日期",
        "Business days open one after the other, never backwards",
    ),
    Code("class.already_applied", "该班级编号已申请", "A class of this reference was applied for already"),
    Code(
        "class.unknown_region",
        "区域代码不在十个设区市（含平潭）之列",
        "The region is none of the ten authorities",
        "闽人社办〔2024〕40号 附件",
    ),
    Code(
        "class.unknown_occupation",
        "职业不在目录内",
        "The occupation is not in the catalogue",
        f"{_NOTICE} 二(十)",
    ),
    Code(
        "class.unknown_training_kind",
        "未知的培训类别",
        "There is no such kind of training",
        "闽人社办〔2024〕40号 二；人社厅发〔2023〕55号 二(二)",
    ),
    Code(
        "class.too_many_trainees",
        "超过每班人数上限",
        "More trainees than a class may have",
        "demo-procedure max_trainees",
    ),
    Code("class.starts_in_past", "首次课日期早于业务日期", "The first session lies before the business date"),
    Code(
        "class.session_ends_before_start", "课次结束时间须晚于开始时间", "A session must end after it starts"
    ),
    Code(
        "class.session_reference_used",
        "课次编号已用于本机构另一课次",
        "The session reference was used for another session of this institution",
    ),
    Code("class.unknown", "没有该班级", "No such class"),
    Code("class.not_approved", "班级尚未批准", "The class is not approved yet"),
    Code(
        "class.sheet_missing",
        "仍有课次没有考勤表",
        "A planned session still lacks its sheet",
        f"{_NOTICE} 一",
    ),
    Code("class.already_completed", "该班已结业", "The class is completed already"),
    Code("class.full", "班级人数已满", "The class is full", "demo-procedure max_trainees"),
    Code("enrolment.reference_used", "该报名编号已使用", "The enrolment reference was used already"),
    Code("enrolment.already_in_class", "该学员已在本班报名", "The trainee is enrolled in this class already"),
    Code(
        "trainee.age_outside_policy",
        "开班首日年龄不在政策范围内",
        "The age at the class's first day is outside the policy",
        "demo-procedure age",
    ),
    Code(
        "sheet.session_outside_plan",
        "该课次不在开班计划内",
        "The session is not in the class plan",
        f"{_NOTICE} 一",
    ),
    Code("sheet.session_in_future", "课次日期晚于业务日期", "The session lies after the business date"),
    Code("sheet.already_recorded", "该课次已有考勤表", "The session has its sheet already"),
    Code("sheet.minutes_over_session", "出勤分钟数超过课次时长", "More minutes than the session has"),
    Code("sheet.enrolment_of_other_class", "该报名不属于本班", "The enrolment is of another class"),
    Code(
        "training.attendance_below_minimum",
        "出勤率低于政策要求",
        "Attendance is below the policy's minimum",
        "demo-procedure attendance_permille",
    ),
)
