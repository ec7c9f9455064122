"""Messaging: the relay, batch consumers and the position chain between them."""
