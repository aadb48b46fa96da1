"""A step that imports a module of this project that does not exist."""

from importlib import import_module

from comparison.gpu.step import Findings, Options


def run(options: Options, findings: Findings) -> None:  # noqa: ARG001
    import_module("service.no_such_module")
