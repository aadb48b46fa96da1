"""A step that needs a package which is not installed."""

from importlib import import_module

from comparison.gpu.step import Findings, Options


def run(options: Options, findings: Findings) -> None:  # noqa: ARG001
    import_module("torchmagic.ops")
