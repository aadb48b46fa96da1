"""Average precision of a detector on a data set."""
