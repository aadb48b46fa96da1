"""The papers' ablations and figures: `python -m models analyse`."""
