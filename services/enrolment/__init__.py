"""Enrolment (报名与培训): organisations, classes, real-name enrolment, attendance and its verdict."""
