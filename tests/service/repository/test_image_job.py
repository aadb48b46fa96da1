"""The job of an image: its work is known from the header, and only the decoding of files teaches the decode pool."""

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry

from service.bundle import Bundle
from service.detection.image_header import read_header
from service.detection.pipeline import Pipeline
from service.engines.protocol import Engine
from service.errors import ImageError
from service.repository.image_job import ImageJob
from service.scheduling.decode_pool import DecodePool
from service.scheduling.pixel_budget import PixelBudget
from service.telemetry.metrics import Metrics
from tests.service.image_files import png_header
from tests.tiny_bundle import png


@pytest.fixture
def pool() -> Iterator[DecodePool]:
    pool = DecodePool(1)
    yield pool
    pool.close()


@pytest.fixture
def pipeline(tiny_bundle: Bundle, tiny_engine: Engine) -> Pipeline:
    return Pipeline(tiny_bundle, tiny_engine)


def job_of(image: bytes | NDArray[np.uint8], pipeline: Pipeline, pool: DecodePool) -> ImageJob:
    return ImageJob(
        image,
        pipeline.options,
        pipeline=pipeline,
        decoders=pool,
        budget=PixelBudget(10**9),
        metrics=Metrics(CollectorRegistry()).no_model,
    )


def test_the_work_is_that_of_the_decoder_and_not_the_bytes_of_the_file(pipeline: Pipeline, pool: DecodePool) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3), np.uint8)
    blank = png(np.zeros((1000, 1000, 3), np.uint8))
    noisy = png(noise)
    assert len(blank) < len(noisy)
    assert job_of(blank, pipeline, pool).work == read_header(blank).work
    assert job_of(blank, pipeline, pool).work > 50 * job_of(noisy, pipeline, pool).work


def test_a_broken_header_is_an_error_before_anything_is_decoded(pipeline: Pipeline, pool: DecodePool) -> None:
    with pytest.raises(ImageError):
        job_of(b"GIF89a", pipeline, pool)


def test_an_image_above_the_limits_is_an_error_before_it_waits_for_anything(
    pipeline: Pipeline, pool: DecodePool
) -> None:
    with pytest.raises(ImageError, match="pixels") as caught:
        job_of(png_header(100_000, 100_000), pipeline, pool)
    assert caught.value.status == 413


def test_decoding_a_file_teaches_the_pool_and_resizing_an_array_does_not(pipeline: Pipeline, pool: DecodePool) -> None:
    before = pool.seconds(1)
    pixels = np.zeros((300, 400, 3), np.uint8)
    job_of(pixels, pipeline, pool).decode()
    assert pool.seconds(1) == before
    job_of(png(pixels), pipeline, pool).decode()
    assert pool.seconds(1) != before
