"""Invented input for the demo: organisations, signed records, people's claims, and the truth about them."""
