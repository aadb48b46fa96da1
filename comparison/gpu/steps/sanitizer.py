"""The kernel in a C++ program under compute-sanitizer: no access outside of its memory, no race, all of it written."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from comparison.gpu.step import CheckError, Findings, Options, SkippedError, check, require_module
from service.engines.tensorrt.cuda import gpu_target
from service.engines.tensorrt.kernel import SOURCE

PROGRAM = Path(__file__).parents[1] / "kernel" / "sanitize.cu"
TOOLS = ("memcheck", "initcheck", "racecheck", "synccheck")
CUDA_BIN = Path("/usr/local/cuda/bin")


def run(options: Options, findings: Findings) -> None:
    """Build the program and run it under each tool."""
    require_module("cuda", "cuda-bindings")
    sanitizer = find("compute-sanitizer")
    program = build(options.work / "sanitize", gpu_target())
    check("all results are finite" in output_of([str(program)]), "the program does not run to its end")
    for tool in TOOLS:
        output = output_of([sanitizer, "--tool", tool, "--error-exitcode", "9", str(program)])
        check("all results are finite" in output, f"{tool}: the program does not run to its end")
        findings.figure(f"{tool}: 0 errors")


def build(path: Path, target: str) -> Path:
    """Compile the program for an architecture such as sm_90; raises SkippedError without nvcc."""
    output_of([find("nvcc"), f"-arch={target}", "-std=c++17", "-I", str(SOURCE.parent), "-o", str(path), str(PROGRAM)])
    return path


def find(name: str) -> str:
    """The path of a tool of the CUDA toolkit; raises SkippedError."""
    found = shutil.which(name) or shutil.which(name, path=str(CUDA_BIN))
    if found is None:
        raise SkippedError(f"needs {name}, from the CUDA toolkit")
    return found


def output_of(command: Sequence[str]) -> str:
    """What a command prints; raises CheckError if it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        print(done.stdout)
        lines = done.stdout.strip().splitlines()
        raise CheckError(f"{Path(command[0]).name} ended with status {done.returncode}: {lines[-1] if lines else ''}")
    return done.stdout
