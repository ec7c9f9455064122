"""From where on a state is wrong. `deploy/prometheus/alerts.yml` has the same figures; a test compares them."""

from __future__ import annotations

LAG_SECONDS = 30.0
"""A session that ends (10 s) and the rebalance after it are over by then; a receipt takes a fraction of a second."""
RELAY_AGE_SECONDS = 15.0
"""A round takes milliseconds and one begins every second; from here on the relay counts as stale as well."""
PROJECTION_LAG_SECONDS = 30.0
"""A page is folded in well under a second, and a rebuild's switch holds the live model up for seconds at most."""
LEDGER_AGE_SECONDS = 60.0
"""Lag as above, then a transaction and a checkpoint on its way: twice the lag leaves room for both."""
PARKED_FACTS = 0
"""Each one is a case that stands still, and none goes on by itself."""
PARKED_FOR_OPERATORS = 0
"""Each one is a fault of ours; past its deadline it would be rejected."""
MEMORY_BYTES = 500_000_000
"""Twice what a process is designed to need (250 MB): a cache without a bound, or a leak."""
