"""The training loop, the state of a run, its checkpoints and its plot."""
