"""The ledger: every fact of every service as a leaf of an RFC 6962 log, its tiles, its signed checkpoints."""
