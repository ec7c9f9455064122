"""What certification shows: read models of its own facts, rebuildable at any time."""
