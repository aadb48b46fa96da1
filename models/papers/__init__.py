"""The papers' ablations and figures."""
