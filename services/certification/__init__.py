"""Certification: who may assess, who passed, which certificates were issued."""
