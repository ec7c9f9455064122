"""Dated policy packages: loaded strictly, looked up by date, every answer with its trace."""
