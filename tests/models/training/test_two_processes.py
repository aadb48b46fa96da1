"""Two processes start from the same state and train like one."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.models.pictures import write_voc
from tests.models.training.two_processes import NORMS, train_steps, write_init


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the states of two processes in `two`, and that of one process in `one`."""
    root = tmp_path_factory.mktemp("two_processes")
    tree, init = write_voc(root / "voc", {"train": 6}), write_init(root / "init.pt")
    for name in ("one", "two"):
        (root / name).mkdir()
    command = [sys.executable, "-m", "tests.models.training.two_processes", str(root)]
    env = os.environ | {"OMP_NUM_THREADS": "1"}  # a process with threads should not fork
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=env)
    assert done.returncode == 0, done.stderr
    try:
        train_steps(tree, init, root / "one")
    finally:
        torch.set_default_dtype(torch.float32)
    return root


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(path, weights_only=True)
    return content


@pytest.mark.parametrize("norm", NORMS)
def test_all_processes_have_the_state_of_the_first_one_at_the_start_and_after_steps(norm: str, trained: Path) -> None:
    """Parameters, statistics and their averages; the weights are read from a file by the first process only."""
    first, second = (read(trained / "two" / f"{norm}-{rank}.pt") for rank in (0, 1))
    one = read(trained / "one" / f"{norm}-0.pt")
    for key, tensor in first["start"].items():
        torch.testing.assert_close(second["start"][key], tensor, rtol=0, atol=0, msg=f"start: {key}")
        torch.testing.assert_close(one["start"][key], tensor, rtol=0, atol=0, msg=f"one process: {key}")
        torch.testing.assert_close(second["end"][key], first["end"][key], rtol=0, atol=0, msg=f"end: {key}")


@pytest.mark.parametrize("norm", NORMS)
def test_two_processes_compute_the_losses_and_weights_of_one(norm: str, trained: Path) -> None:
    """The same batches of three images, of which one process has two and the other one."""
    one, two = (read(trained / folder / f"{norm}-0.pt") for folder in ("one", "two"))
    assert len(one["losses"]) == 2
    for of_one, of_two in zip(one["losses"], two["losses"], strict=True):
        assert of_two == pytest.approx(of_one, rel=1e-7)
    moved = [key for key in one["start"] if not torch.equal(one["start"][key], one["end"][key])]
    assert len(moved) > 50
    for key in moved:
        torch.testing.assert_close(two["end"][key], one["end"][key], rtol=1e-7, atol=1e-9)
