"""A stand-in for TensorRT on a GPU, and bundles with engines for it."""
