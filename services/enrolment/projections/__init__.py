"""Enrolment's read models, each named by the question it answers; rebuilt from its own facts at any time."""
