"""The kernel against float64, in a CUDA graph, and from several threads."""

from concurrent.futures import ThreadPoolExecutor
from itertools import product

import torch

from comparison.gpu.kernel.cases import Case, make_case, make_output, reference, relative_error
from comparison.gpu.kernel.launch import Kernel, gpu_kernel, host_kernel
from comparison.gpu.step import Findings, Options, check

MAX_ERROR = 1e-5  # relative; the positions of a map 130 cells wide are that coarse in float32
SIZES = [(batch, filters, cells, cells) for batch, filters, cells in product((1, 5, 8), (8, 25, 85), (40, 20, 10, 5))]
ODD_SIZES = [(2, 5, 6, 7), (1, 1, 1, 1), (3, 7, 1, 130)]
NUM_REPLAYS = 20
NUM_THREADS = 2
NUM_LAUNCHES = 200  # of a thread


def run(options: Options, findings: Findings) -> None:
    """Compare the results; on the CPU those of the source compiled for the host."""
    device = "cpu" if options.is_cpu else "cuda"
    kernel = host_kernel(options.work) if options.is_cpu else gpu_kernel()
    compare(kernel, ODD_SIZES if options.is_cpu else SIZES + ODD_SIZES, device, findings)
    if not options.is_cpu:
        replay(kernel, findings)
    launch_from_threads(kernel, device, findings)


def compare(kernel: Kernel, sizes: list[tuple[int, int, int, int]], device: str, findings: Findings) -> None:
    """Check each size in fp32 and fp16, calm and wild: right, all written, nothing else written, the same twice."""
    worst = 0.0
    cases = list(product(sizes, (torch.float32, torch.float16), (False, True)))
    for number, (size, dtype, is_wild) in enumerate(cases):
        case = make_case(*size, dtype, device=device, seed=number, is_wild=is_wild)
        output, again = make_output(case), make_output(case)
        kernel(case, output)
        kernel(case, again)
        synchronise(device)
        name = f"B, O, H, W {size}, {dtype}, {'wild' if is_wild else 'calm'}"
        check(output.is_intact(), f"{name}: memory around the output was written")
        check(bool(output.y.isfinite().all()), f"{name}: a value was not written, or is not finite")
        check(torch.equal(output.y, again.y), f"{name}: two runs differ")
        error = relative_error(output.y, reference(case))
        check(error <= MAX_ERROR, f"{name}: the relative error is {error:.1e}, more than {MAX_ERROR:g}")
        worst = max(worst, error)
    findings.figure(f"{len(cases)} cases, half of them with NaN, inf and border: worst relative error {worst:.1e}")


def replay(kernel: Kernel, findings: Findings) -> None:
    """Check the replays of a CUDA graph with fresh inputs."""
    size = 8, 25, 40, 40
    case = make_case(*size, torch.float16, device="cuda")
    output = make_output(case)
    kernel(case, output)  # loads it, which must not be captured
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        kernel(case, output)
    for seed in range(NUM_REPLAYS):
        copy(make_case(*size, torch.float16, device="cuda", seed=seed, is_wild=seed % 2 == 1), case)
        output.y.fill_(torch.nan)
        graph.replay()
        torch.cuda.synchronize()
        error = relative_error(output.y, reference(case))
        check(error <= MAX_ERROR, f"replay {seed} of a graph: the relative error is {error:.1e}")
    findings.figure(f"{NUM_REPLAYS} replays of a graph")


def copy(source: Case, target: Case) -> None:
    """Overwrite the tensors of a case."""
    target.z.copy_(source.z)
    target.geometry.copy_(source.geometry)
    target.bias.copy_(source.bias)


def launch_from_threads(kernel: Kernel, device: str, findings: Findings) -> None:
    """Check that launches from several threads, each with its own stream, give the same bits every time."""
    num_launches = 20 if device == "cpu" else NUM_LAUNCHES

    def work(seed: int) -> int:
        case = make_case(2, 8, 20, 20, torch.float32, device=device, seed=seed)
        wanted = make_output(case)
        kernel(case, wanted)
        synchronise(device)
        num_different = 0
        with torch.cuda.stream(None if device == "cpu" else torch.cuda.Stream()):  # type: ignore[no-untyped-call]
            for _ in range(num_launches):
                output = make_output(case)
                kernel(case, output)
                if device != "cpu":
                    torch.cuda.current_stream().synchronize()
                num_different += not torch.equal(output.y, wanted.y)
        return num_different

    with ThreadPoolExecutor(NUM_THREADS) as pool:
        num_different = sum(pool.map(work, range(NUM_THREADS)))
    check(num_different == 0, f"{num_different} launches from threads gave other bits")
    findings.figure(f"{NUM_THREADS * num_launches} launches from {NUM_THREADS} threads: the same bits")


def synchronise(device: str) -> None:
    """Wait for the GPU, if one computes."""
    if device != "cpu":
        torch.cuda.synchronize()
