"""Kernel shared by the four services: nothing here knows a subsidy rule."""
