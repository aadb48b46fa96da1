"""The CUDA source of the offset convolution: its arithmetic compiled for the host, its machine code for each GPU."""

import ctypes
import math
import shutil
import subprocess
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from service.engines.tensorrt.cuda import CudaError
from service.engines.tensorrt.kernel import SOURCE, Shape, compile_kernel
from tests.models.oracles import bilinear

BATCH, BOXES, FILTERS, HEIGHT, WIDTH = 2, 3, 5, 6, 7
Floats = NDArray[np.float32] | NDArray[np.float16]


@pytest.fixture(scope="module")
def host_library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("needs a C++ compiler to run the kernel's arithmetic on the host")
    path = tmp_path_factory.mktemp("host") / "offset_conv.so"
    options = ["-x", "c++", "-std=c++17", "-O1", "-Wall", "-Werror", "-Wno-unknown-pragmas", "-shared", "-fPIC"]
    subprocess.run([compiler, *options, str(SOURCE), "-o", str(path)], check=True)
    return ctypes.CDLL(str(path))


def run(library: ctypes.CDLL, z: Floats, geometry: NDArray[np.float32], bias: Floats) -> NDArray[np.float32]:
    """Run the source that was compiled for the host -> y [B, A*O, H, W]."""
    batch, _, height, width = z.shape
    y = np.full((batch, len(bias), height, width), np.nan, np.float32)
    function = library.offset_conv_half if z.dtype == np.float16 else library.offset_conv_float
    function.argtypes = [Shape, ctypes.c_int, *[ctypes.c_void_p] * 4]
    boxes = geometry.shape[1] // 4
    function(Shape(boxes, len(bias) // boxes, height, width), batch, *(a.ctypes.data for a in (z, geometry, bias, y)))
    return y


def oracle(z: Floats, geometry: NDArray[np.float32], bias: Floats) -> NDArray[np.float64]:
    """The same by plain loops in float64; a tap at a NaN or infinite position reads 0.  # PASSD §5.1.2, eq. 4-5"""
    batch, _, height, width = z.shape
    boxes = geometry.shape[1] // 4
    filters = len(bias) // boxes
    planes = z.astype(np.float64).reshape(batch, boxes, 9, filters, height, width).tolist()
    places = geometry.astype(np.float64).reshape(batch, boxes, 4, height, width)
    y = np.empty((batch, boxes, filters, height, width))
    for image, box, row, column in product(range(batch), range(boxes), range(height), range(width)):
        shift_y, shift_x, box_height, box_width = places[image, box, :, row, column].tolist()
        total = bias.astype(np.float64).reshape(boxes, filters)[box].copy()
        for tap, (r_y, r_x) in enumerate(product((-1, 0, 1), repeat=2)):
            tap_y, tap_x = row + shift_y + r_y * box_height / 3, column + shift_x + r_x * box_width / 3
            if math.isfinite(tap_y) and math.isfinite(tap_x):
                total += [bilinear(plane, tap_y, tap_x) for plane in planes[image][box][tap]]
        y[image, box, :, row, column] = total
    return y.reshape(batch, boxes * filters, height, width)


def random_inputs(kind: type, seed: int = 0) -> tuple[Floats, NDArray[np.float32], Floats]:
    """Maps, biases, and boxes of up to twice the map's size, whose taps often lie outside of the map."""
    rng = np.random.default_rng(seed)
    z: Floats = rng.standard_normal((BATCH, BOXES * 9 * FILTERS, HEIGHT, WIDTH)).astype(kind)
    shift = rng.normal(0, 2, (BATCH, BOXES, 2, HEIGHT, WIDTH))
    size = rng.uniform(0, 15, (BATCH, BOXES, 2, HEIGHT, WIDTH))
    geometry = np.concatenate([shift, size], axis=2).astype(np.float32).reshape(BATCH, BOXES * 4, HEIGHT, WIDTH)
    return z, geometry, rng.standard_normal(BOXES * FILTERS).astype(kind)


@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_kernel_and_plain_loops_agree(host_library: ctypes.CDLL, kind: type) -> None:
    inputs = random_inputs(kind)
    np.testing.assert_allclose(run(host_library, *inputs), oracle(*inputs), atol=1e-5)


@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_taps_on_the_border_count_in_part_and_beyond_it_not_at_all(host_library: ctypes.CDLL, kind: type) -> None:
    z, geometry, bias = random_inputs(kind)
    places = geometry.reshape(BATCH, BOXES, 4, HEIGHT, WIDTH)
    places[:, 0] = 3 * np.round(places[:, 0])  # on cells at the border, and on their neighbours inside and outside
    places[:, 1, 0] = np.nextafter(np.float32(-1), np.float32(0)) - np.arange(HEIGHT, dtype=np.float32)[:, None]
    places[:, 1, 2] = 3 * (HEIGHT + 1)  # one tap at -1, one at H: both just outside
    places[:, 2, 1] = WIDTH - 0.5
    np.testing.assert_allclose(run(host_library, z, geometry, bias), oracle(z, geometry, bias), atol=1e-5)


@pytest.mark.parametrize("kind", [np.float32, np.float16])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 3e38, -3e38, 2.0**31, -(2.0**31), 2.0**63, 1e-45])
def test_taps_at_huge_infinite_or_nan_positions_read_nothing(
    host_library: ctypes.CDLL, value: float, kind: type
) -> None:
    z, geometry, bias = random_inputs(kind)
    places = geometry.reshape(BATCH, BOXES, 4, HEIGHT, WIDTH)
    for number in range(4):  # each of the four numbers of a box in its own column, and all four in the next
        places[:, :, number, :, number] = value
    places[..., 4] = value
    found = run(host_library, z, geometry, bias)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, oracle(z, geometry, bias), atol=1e-5)


def test_a_box_of_a_cell_reads_its_own_filters_only(host_library: ctypes.CDLL) -> None:
    z, geometry, bias = random_inputs(np.float32)
    before = run(host_library, z, geometry, bias).reshape(BATCH, BOXES, FILTERS, HEIGHT, WIDTH)
    z.reshape(BATCH, BOXES, -1)[1, 2] += 1
    changed = run(host_library, z, geometry, bias).reshape(before.shape) != before
    assert changed[1, 2].any()
    assert changed.sum() == changed[1, 2].sum()


def test_every_half_becomes_its_float(host_library: ctypes.CDLL) -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    z = np.zeros((1, 9 * len(halves), 1, 1), np.float16)
    found = run(host_library, z, np.zeros((1, 4, 1, 1), np.float32), halves)  # z is zero: the output is the biases
    np.testing.assert_array_equal(found.ravel(), halves.astype(np.float32))


@pytest.mark.parametrize("target", ["sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"])
def test_kernel_compiles_for_each_architecture(target: str) -> None:
    pytest.importorskip("cuda.bindings", reason="cuda-bindings is optional: pip install .[engine]")
    cubin = compile_kernel(target)
    assert cubin.startswith(b"\x7fELF")
    assert b"offset_conv_float" in cubin
    assert b"offset_conv_half" in cubin


def test_an_unknown_architecture_is_refused_with_the_known_ones() -> None:
    pytest.importorskip("cuda.bindings", reason="cuda-bindings is optional: pip install .[engine]")
    with pytest.raises(CudaError, match=r"sm_99 is no architecture that NVRTC knows; choose one of sm_75, "):
        compile_kernel("sm_99")
