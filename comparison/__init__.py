"""Compares this server with others and with itself; a part of the repository, and not of the installed package."""

import service  # noqa: F401  (it explains packages that are missing)
