"""The Open Inference Protocol v2 under /v2, so that Triton's clients work unchanged."""
