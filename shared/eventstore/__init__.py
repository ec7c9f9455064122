"""The event store: one transaction a batch, on the library's event table."""
