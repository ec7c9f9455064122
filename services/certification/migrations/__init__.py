"""Migrations of the certification database."""
