"""Migrations of the payment database."""
