"""`python -m comparison.gpu`: checks and measures the project on an NVIDIA GPU, and prints a report."""

import argparse
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from comparison.gpu.machine import describe_machine, find_gpu
from comparison.gpu.report import to_markdown
from comparison.gpu.run import Step, run_steps
from comparison.gpu.step import Options, Outcome
from service.benchmark.__main__ import read_images
from service.bundle import BundleError, read_bundle
from service.settings import DEFAULT_BUNDLES

STEPS = (
    Step("kernel-numbers", "the kernel against float64", 60, needs_gpu=False),
    Step("sanitizer", "the kernel under compute-sanitizer", 50),
    Step("kernel-times", "the kernel's times", 45),
    Step("lanes", "the TensorRT engine over a stand-in for TensorRT", 75, needs_gpu=False),
    Step("onnx-cuda", "ONNX Runtime's CUDA provider", 90, needs_gpu=False),
    Step("tensorrt", "TensorRT", 180),
    Step("inference", "the detectors in torch", 90, needs_gpu=False),
    Step("training", "training steps", 60, needs_gpu=False),
    Step("servers", "the server, by the number of its processes", 130, needs_gpu=False),
    Step("cores", "the server on the CPU, by the number of its cores", 110, needs_gpu=False),
)
EXAMPLE = f"""\
Nothing is installed and nothing is downloaded. Each step is a process of its own with a limit of time: a step that
crashes, hangs or lacks a package does not stop the others. The report is Markdown in the form of docs/results.md. The
exit status is 1 if a step failed, and 2 if nothing was run.

steps:
{chr(10).join(f"  {step.name:16}{step.title}" for step in STEPS)}

`servers` uses TensorRT if `tensorrt` has built an engine before it, else ONNX Runtime's CUDA provider.

example:
  docker/check_gpu.sh --out gpu.md
  docker/check_gpu.sh --steps onnx-cuda,servers --images BCCD/JPEGImages
  docker/check_gpu.sh --cpu                          the steps that need no GPU, at the smallest size
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the steps and print the report; returns the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    chosen = parser().parse_args(given)
    try:
        steps = choose(chosen.steps)
        read_bundle(chosen.bundle)
        read_images(chosen.images)
        if chosen.out:
            chosen.out.open("a").close()  # a path that cannot be written is refused before anything runs
        if chosen.minutes <= 0:
            raise ValueError(f"--minutes is {chosen.minutes:g}; it must be more than 0")
    except (BundleError, OSError, ValueError) as error:
        return fail(str(error))
    gpu = None if chosen.cpu else find_gpu()
    if gpu is None and not chosen.cpu:
        return fail("there is no NVIDIA GPU (`nvidia-smi` lists none); --cpu runs the steps that need none")
    machine = describe_machine(gpu)
    print(machine, flush=True)
    command = shlex.join(["python", "-m", "comparison.gpu", *given])

    with tempfile.TemporaryDirectory() as work:
        options = Options(chosen.cpu, chosen.bundle.resolve(), chosen.images.resolve(), Path(work))

        def save(outcomes: Mapping[str, Outcome]) -> None:
            if chosen.out:
                chosen.out.write_text(to_markdown(machine, command, steps, outcomes))

        outcomes = run_steps(steps, options, seconds=60 * chosen.minutes, report=save)
    print("\n" + to_markdown(machine, command, steps, outcomes))
    return 1 if any(outcome.state == "failed" for outcome in outcomes.values()) else 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m comparison.gpu",
        description="Check and measure this project on a machine with an NVIDIA GPU.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cpu", action="store_true", help="use no GPU: only the steps that need none, small")
    parser.add_argument("--steps", metavar="A,B", help="only these steps, in this order (default: all)")
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="write the report there too, after each step")
    parser.add_argument("--minutes", type=float, default=12.0, help="time for all steps together (default: 12)")
    parser.add_argument(
        "--bundle",
        type=Path,
        default=DEFAULT_BUNDLES / "bccd-passd-320",
        metavar="DIR",
        help="the model to measure (default: the packaged one)",
    )
    parser.add_argument(
        "--images",
        type=Path,
        default=DEFAULT_BUNDLES / "bccd-passd-320",
        metavar="DIR",
        help="image files to send to the servers (default: those of the packaged bundle)",
    )
    return parser


def choose(names: str | None) -> tuple[Step, ...]:
    """The steps named in `a,b`, all if None; raises ValueError."""
    if names is None:
        return STEPS
    known = {step.name: step for step in STEPS}
    unknown = [name for name in names.split(",") if name not in known]
    if unknown:
        raise ValueError(f"--steps: there is no step {unknown[0]!r}; choose from {', '.join(known)}")
    return tuple(known[name] for name in names.split(","))


def fail(message: str) -> int:
    """Print the error in one sentence -> exit status 2, because no step ran."""
    print(f"comparison.gpu: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
