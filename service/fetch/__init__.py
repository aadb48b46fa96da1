"""Copies of remote bundles on this machine."""
