"""Exports checkpoints as bundles, builds TensorRT engines, and compares and measures bundles."""

# `service` silences the libraries that run models. That has no effect on a library that is already imported.
import service  # noqa: F401
