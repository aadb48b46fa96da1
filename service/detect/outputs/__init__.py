"""The forms of the results of a run."""
