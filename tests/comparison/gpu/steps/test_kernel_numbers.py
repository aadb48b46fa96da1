"""The check of the kernel's numbers notices a kernel that is wrong."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from comparison.gpu.kernel.cases import Case, Output, reference
from comparison.gpu.step import CheckError, Findings
from comparison.gpu.steps.kernel_numbers import compare, launch_from_threads

SIZES = [(2, 5, 6, 7)]
numbers = count()


def exact(case: Case, output: Output) -> None:
    output.y.copy_(reference(case))


def inexact(case: Case, output: Output) -> None:
    output.y.copy_(1.0001 * reference(case))


def swapped(case: Case, output: Output) -> None:
    output.y.copy_(reference(Case(case.z.flip(-1), case.geometry, case.bias)))


def incomplete(case: Case, output: Output) -> None:
    output.y[:, :-1].copy_(reference(case)[:, :-1])


def overflowing(case: Case, output: Output) -> None:
    exact(case, output)
    output.memory[-10] = 0


def unsteady(case: Case, output: Output) -> None:
    output.y.copy_(reference(case) * (1 + 1e-6 * next(numbers)))


def test_an_exact_kernel_passes(tmp_path: Path) -> None:
    findings = Findings(tmp_path / "result.json")
    compare(exact, SIZES, "cpu", findings)
    launch_from_threads(exact, "cpu", findings)


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (inexact, "the relative error is 1.0e-04, more than 1e-05"),
        (swapped, "the relative error is"),
        (incomplete, "a value was not written"),
        (overflowing, "memory around the output was written"),
        (unsteady, "two runs differ"),
    ],
)
def test_a_wrong_kernel_does_not(tmp_path: Path, kernel: Callable[[Case, Output], None], message: str) -> None:
    with pytest.raises(CheckError, match=message):
        compare(kernel, SIZES, "cpu", Findings(tmp_path / "result.json"))


def test_a_kernel_that_gives_other_bits_in_a_thread_does_not(tmp_path: Path) -> None:
    with pytest.raises(CheckError, match="launches from threads gave other bits"):
        launch_from_threads(unsteady, "cpu", Findings(tmp_path / "result.json"))
