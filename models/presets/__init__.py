"""Named, complete recipes for training."""
