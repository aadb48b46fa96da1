"""An offset convolution's sampling on the CPU against the same in NumPy, for maps of float32 and of bfloat16."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from service.engines.openvino.sample_taps import TAPS, sample_taps

HEIGHT, WIDTH, BOXES = 6, 5, 2

Floats = NDArray[np.float32]


def inputs(batch: int, filters: int) -> tuple[Floats, Floats, Floats]:
    """z, geometry and bias.

    bfloat16 holds the numbers of z exactly. The taps lie inside the map, across its borders and outside.
    """
    rng = np.random.default_rng(filters)
    bits = rng.normal(size=(batch, HEIGHT, WIDTH, BOXES * TAPS * filters)).astype(np.float32).view(np.uint32)
    geometry = rng.normal(0, 1.5, (batch, HEIGHT, WIDTH, BOXES, 4))
    geometry[..., 2:] = rng.uniform(0.5, 8, (batch, HEIGHT, WIDTH, BOXES, 2))
    z = (bits & np.uint32(0xFFFF0000)).view(np.float32)
    return (
        z,
        geometry.reshape(batch, HEIGHT, WIDTH, -1).astype(np.float32),
        rng.normal(size=BOXES * filters).astype(np.float32),
    )


def expected(z: Floats, geometry: Floats, bias: Floats) -> NDArray[np.float64]:
    """(B, H, W, A*O). Along each axis a cell has the weight 1 - its distance from the tap, or 0 if that is negative."""
    batch = len(z)
    taps = z.reshape(batch, HEIGHT, WIDTH, BOXES, 3, 3, -1).astype(np.float64)
    boxes = geometry.reshape(batch, HEIGHT, WIDTH, BOXES, 4).astype(np.float64)
    steps = np.array([-1, 0, 1])
    weights = []
    for axis, size in enumerate((HEIGHT, WIDTH)):
        own = np.indices((HEIGHT, WIDTH))[axis][None, :, :, None]
        at = (own + boxes[..., axis])[..., None] + steps * boxes[..., axis + 2, None] / 3  # (B, H, W, A, 3)
        weights.append(np.maximum(0, 1 - np.abs(at[..., None] - np.arange(size))))
    sums: NDArray[np.float64] = np.einsum("bijaty,bijaux,byxatuo->bijao", *weights, taps)
    return (sums + bias.reshape(BOXES, -1)).reshape(batch, HEIGHT, WIDTH, -1)


def sampled(z: NDArray[np.float32] | NDArray[np.uint16], geometry: Floats, bias: Floats) -> Floats:
    output = np.full((*z.shape[:3], len(bias)), np.nan, np.float32)
    sample_taps(z, geometry, bias, output)
    return output


def bfloat16_bits(z: Floats) -> NDArray[np.uint16]:
    return (z.view(np.uint32) >> 16).astype(np.uint16)


@pytest.mark.parametrize("filters", [1, 4, 6, 8, 13, 16, 25])
def test_taps_are_sampled_and_summed_for_any_number_of_filters(filters: int) -> None:
    z, geometry, bias = inputs(3, filters)
    np.testing.assert_allclose(sampled(z, geometry, bias), expected(z, geometry, bias), rtol=0, atol=1e-5)


@pytest.mark.parametrize("filters", [6, 8, 25])
def test_a_bfloat16_map_gives_the_sums_of_its_numbers_in_float32(filters: int) -> None:
    z, geometry, bias = inputs(2, filters)
    np.testing.assert_array_equal(sampled(bfloat16_bits(z), geometry, bias), sampled(z, geometry, bias))


@pytest.mark.parametrize("position", [-1e30, 1e30, np.inf, -np.inf, np.nan])
def test_the_output_of_a_box_outside_the_map_is_its_bias(position: float) -> None:
    z, geometry, bias = inputs(1, 8)
    geometry.reshape(-1, 4)[:, :2] = position
    np.testing.assert_array_equal(sampled(z, geometry, bias), np.broadcast_to(bias, (1, HEIGHT, WIDTH, len(bias))))


def test_several_threads_sample_at_once() -> None:
    cases = [inputs(4, filters) for filters in (8, 25) * 8]
    with ThreadPoolExecutor(4) as threads:
        for case, output in zip(cases, threads.map(lambda case: sampled(*case), cases), strict=True):
            np.testing.assert_allclose(output, expected(*case), rtol=0, atol=1e-5)
