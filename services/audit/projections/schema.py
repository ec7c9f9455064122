"""The tables of audit's read models."""

from __future__ import annotations

from sqlalchemy import MetaData

metadata = MetaData()
