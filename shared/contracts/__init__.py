"""Contracts: facts, submissions and codes. One class, one name, one JSON form, for ever."""
