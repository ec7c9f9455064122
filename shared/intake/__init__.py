"""Intake: signed submissions become decisions, each with exactly one receipt."""
