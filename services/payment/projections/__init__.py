"""Read models of payment, each rebuildable from its own facts."""
