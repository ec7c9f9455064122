"""A transparency log's formats and proofs (RFC 6962, C2SP tlog-tiles, signed notes), for log and verifier."""
