"""A step whose process ends at once, as after a segmentation fault."""

import os

from comparison.gpu.step import Findings, Options


def run(options: Options, findings: Findings) -> None:  # noqa: ARG001
    findings.figure("1 case")
    print("the last words", flush=True)
    os.abort()
