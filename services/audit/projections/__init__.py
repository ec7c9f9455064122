"""Audit's read models, each named by the question it answers; rebuilt from the ledger's entries at any time."""
