"""Base networks and their pretrained weights."""
