"""Codes: each permanent, its texts and its source written once."""
