"""A step whose figure is beyond its limit."""

from comparison.gpu.step import Findings, Options, check


def run(options: Options, findings: Findings) -> None:  # noqa: ARG001
    findings.figure("4 cases")
    check(False, "the error is 0.3, more than 0.1")
