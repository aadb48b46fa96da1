"""Optimizer, schedule, precision and averaging."""
