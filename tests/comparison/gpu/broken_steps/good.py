"""A step with figures and a table."""

from comparison.gpu.step import Findings, Options


def run(options: Options, findings: Findings) -> None:
    findings.figure("2 | 3 cases")
    findings.row("Times in ms", {"batch": 1, "time": 1.23456})
    findings.row("Times in ms", {"batch": 8, "time": f"{options.is_cpu}"})
