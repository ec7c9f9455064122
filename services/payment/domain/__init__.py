"""What payment decides: one file an aggregate, and the rules."""
