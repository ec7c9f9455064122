"""Certification over HTTP: assessment bodies are approved, candidates and certificates looked up. No SQL."""
