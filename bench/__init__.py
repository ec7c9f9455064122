"""Measurements: the real stack against the raw limit and against stock parts, one run, one report."""
