"""Audit over HTTP: the log for everyone, histories and responsibility for those entitled. No rule, no SQL."""
