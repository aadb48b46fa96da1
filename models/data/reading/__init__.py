"""What the readers of all layouts share."""
