"""Tests on real servers. A package, so that its servers are stopped when the last of its tests is over."""
