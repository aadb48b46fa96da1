"""When each image runs: admission, the queue, batches, costs."""
