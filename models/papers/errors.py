"""The error of the papers' figures."""


class FigureError(Exception):
    """A figure that cannot be made from a model; the message says why."""
