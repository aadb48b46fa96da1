"""The training loop, its runs and checkpoints."""
