"""Access: bearer tokens, duties and HTTP commands that may be repeated."""
