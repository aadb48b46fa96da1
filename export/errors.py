"""The error of everything that exports or builds; its module imports neither torch nor onnx."""


class ExportError(Exception):
    """A model or an engine that cannot be built; the message says the reason and the remedy."""
