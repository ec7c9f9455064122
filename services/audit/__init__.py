"""Audit: the ledger of every fact, and what can be read from it: histories, responsibility, progress."""
