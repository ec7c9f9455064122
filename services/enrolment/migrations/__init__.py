"""Migrations of the enrolment database."""
