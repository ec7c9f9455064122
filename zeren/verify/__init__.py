"""The caller's side of the ledger: everything is recomputed here, no verdict is asked of the server."""
