"""Data sets, augmentation and training batches."""
