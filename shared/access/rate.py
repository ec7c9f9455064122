"""How often one actor may ask: a bucket of tokens for each, refilled as time goes by."""

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from shared.refusal import Refusal

MOST_ACTORS = 10_000
"""Buckets in memory; whoever has not asked for longest is forgotten, and begins with a full one."""


class TooManyRequests(Refusal):
    """This actor has asked too often; nothing was done."""

    code = "request.too_many"


class Rate:
    """One process's bound. Threads may share it."""

    def __init__(
        self, per_second: float, burst: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Bounds every actor alike.

        Args:
            per_second: requests in the long run.
            burst: requests at once after a pause.
            clock: seconds that only grow.
        """
        self._per_second, self._burst = float(per_second), float(burst)
        self._clock = clock
        self._lock = Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, actor: str) -> None:
        """Counts one request. Raises: TooManyRequests."""
        now = self._clock()
        with self._lock:
            left, at = self._buckets.pop(actor, (self._burst, now))
            left = min(left + (now - at) * self._per_second, self._burst)
            self._buckets[actor] = (max(left - 1, 0.0) if left >= 1 else left, now)
            while len(self._buckets) > MOST_ACTORS:
                self._buckets.popitem(last=False)
        if left < 1:
            raise TooManyRequests
