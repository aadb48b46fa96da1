"""Runs the steps, each in a process of its own with a limit of time, so that none can stop the others."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import IO

from comparison.gpu.step import Options, Outcome, read_outcome
from comparison.processes import python_path

LEAST_SECONDS = 5.0  # a step with less time than this is not started


@dataclass(frozen=True)
class Step:
    """A step: its name on the command line and in the report, and the seconds that it may take."""

    name: str
    title: str
    seconds: float
    needs_gpu: bool = True
    package: str = "comparison.gpu.steps"  # of its module

    @property
    def module(self) -> str:
        """The module that runs it."""
        return f"{self.package}.{self.name.replace('-', '_')}"


def run_steps(
    steps: Sequence[Step], options: Options, *, seconds: float, report: Callable[[Mapping[str, Outcome]], None]
) -> dict[str, Outcome]:
    """Run the steps within `seconds` together -> outcomes by name. `report` gets those so far after each step."""
    outcomes: dict[str, Outcome] = {}
    started = time.monotonic()
    for step in steps:
        left = seconds - (time.monotonic() - started)
        print(f"{seconds - left:5.0f} s  {step.name}: {step.title}", flush=True)
        if options.is_cpu and step.needs_gpu:
            outcome = Outcome("no GPU")
        elif left < LEAST_SECONDS:
            outcome = Outcome("skipped", "no time was left; raise --minutes, or choose it with --steps")
        else:
            outcome = run_step(step, options, min(step.seconds, left))
        print(f"         {step.name}: {outcome.label}, {outcome.seconds:.0f} s", flush=True)
        outcomes[step.name] = outcome
        report(outcomes)
    return outcomes


def run_step(step: Step, options: Options, seconds: float) -> Outcome:
    """Run one step; after `seconds` it is killed, with all processes that it started."""
    result = options.work / f"{step.name}.json"
    command = [sys.executable, "-m", "comparison.gpu.child", step.module, options.to_json(), str(result)]
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        env=environment(options),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # a process group of its own, which ends as a whole
    )
    assert process.stdout is not None
    last_line: list[str] = []
    reader = Thread(target=echo, args=(process.stdout, last_line))
    reader.start()
    is_late = False
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        is_late = True
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        reader.join()
        process.stdout.close()
    outcome = read_outcome(result)
    outcome.seconds = time.monotonic() - started
    if is_late:
        outcome.state, outcome.reason = "failed", f"stopped after its limit of {seconds:.0f} s"
    elif outcome.state == "running":  # it ended without a word: a crash
        outcome.state = "failed"
        outcome.reason = f"ended with status {process.returncode}; last line: {''.join(last_line) or 'none'}"
    return outcome


def environment(options: Options) -> dict[str, str]:
    """The variables of a step's process: this tree's packages, temporary files in `work`, and no GPU if so wanted."""
    variables = {**os.environ, "PYTHONPATH": python_path(), "PYTHONUNBUFFERED": "1", "TMPDIR": str(options.work)}
    return {**variables, "CUDA_VISIBLE_DEVICES": ""} if options.is_cpu else variables


def echo(output: IO[bytes], last_line: list[str]) -> None:
    """Print the lines of a process, and keep the last one that is not empty."""
    for line in output:
        text = line.decode(errors="replace").rstrip()
        print(f"         | {text}", flush=True)
        if text.strip():
            last_line[:] = [text.strip()]
