"""Enrolment over HTTP: organisations, approval of classes, business days. No rule, no SQL."""
