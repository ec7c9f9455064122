"""Disasters on real servers. A package, so that its stack, the town, is stopped when the last of its tests is over."""

import pytest

pytest.register_assert_rewrite("tests.component.faults.outage", "tests.component.faults.sending")
