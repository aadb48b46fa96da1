"""Servers that are all started and take turns, one of them running at a time."""
