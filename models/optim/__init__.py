"""Optimizer, learning rate, precision and weight average of a training run."""
