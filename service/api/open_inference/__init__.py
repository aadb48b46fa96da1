"""The Open Inference Protocol v2 under /v2, so that the clients of Triton work unchanged."""
