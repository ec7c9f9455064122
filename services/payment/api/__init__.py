"""HTTP of payment: claims by persons, decisions by handlers, payment batches, and reading."""
