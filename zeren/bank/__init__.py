"""The bank simulator: a party of its own that answers payment's bank files with signed receipts."""
