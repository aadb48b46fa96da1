"""The detector without a server."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from service.bundle import Bundle, BundleError
from service.detect.detector import Detector, EngineFailedError, Found
from service.detection.tiles import views_of
from service.engines.protocol import Candidates
from service.errors import ImageError
from tests.fake_engine import FakeEngine
from tests.service.detect.command import detect
from tests.service.served_app import settings
from tests.tiny_bundle import SIZE, golden_image, png


def test_files_and_arrays_give_the_same_detections(tiny_bundle: Bundle) -> None:
    with Detector.open(str(tiny_bundle.path), settings=settings(tiny_bundle.path)) as detector:
        image = golden_image()
        results = detector.detect([png(image), image, b"no image", image])
    assert [type(result) for result in results] == [Found, Found, ImageError, Found]
    for found in (results[0], results[1], results[3]):
        assert isinstance(found, Found)
        assert (found.height, found.width) == (64, 64)
        assert found.detections.boxes.tolist() == [[16, 16, 32, 32], [40, 40, 56, 56]]


def test_no_images_give_no_results(tiny_bundle: Bundle) -> None:
    detector = Detector(tiny_bundle, FakeEngine(), settings=settings(tiny_bundle.path))
    assert detector.detect([]) == []
    assert len(detector.detect([b""])) == 1


def test_threads_never_start_more_calls_than_the_engine_has_streams(tiny_bundle: Bundle) -> None:
    running, most = 0, 0

    class Counting(FakeEngine):
        num_streams = 2

        def __call__(self, images: NDArray[np.uint8]) -> Candidates:
            nonlocal running, most
            running += 1
            most = max(most, running)
            found = super().__call__(images)
            running -= 1
            return found

    detector = Detector(tiny_bundle, Counting(), settings=settings(tiny_bundle.path))
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: detector.detect([golden_image()] * 3), range(200)))
    assert most <= 2


def test_a_batch_is_never_larger_than_the_limit(tiny_bundle: Bundle) -> None:
    sizes: list[int] = []

    class Counting(FakeEngine):
        def __call__(self, images: NDArray[np.uint8]) -> Candidates:
            sizes.append(len(images))
            return super().__call__(images)

    detector = Detector(tiny_bundle, Counting(), settings=settings(tiny_bundle.path), tile=64)
    (found,) = detector.detect([np.zeros((128, 128, 3), np.uint8)])
    assert isinstance(found, Found)
    assert sizes == [2, 2, 2, 2, 2]  # nine tiles and the whole image


def test_each_view_adds_to_the_number_of_detections_unless_it_is_given(tiny_bundle: Bundle) -> None:
    image = np.zeros((1024, 1024, 3), np.uint8)
    for top in range(0, 1024, 48):
        for left in range(0, 1024, 48):
            image[top : top + 16, left : left + 16, 0] = 255
    for limit, wanted in ((None, 484), (50, 50)):
        detector = Detector.open(
            str(tiny_bundle.path), settings=settings(tiny_bundle.path), max_detections=limit, tile=64
        )
        (found,) = detector.detect([image])
        assert isinstance(found, Found)
        assert len(found.detections) <= wanted
        assert len(found.detections) > min(100, wanted - 1)


def test_the_views_of_an_image_are_not_all_in_memory(tiny_bundle: Bundle) -> None:
    image = np.zeros((1024, 1024, 3), np.uint8)
    num_views = len(views_of((1024, 1024), (32, 32)))
    detector = Detector(tiny_bundle, FakeEngine(), settings=settings(tiny_bundle.path), tile=32)
    detector.detect([image])  # it compiles functions
    tracemalloc.start()
    detector.detect([image])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < num_views * SIZE * SIZE * 3 / 2


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="nowhere: there is no manifest"):
        Detector.open(str(tmp_path / "nowhere"), settings=settings(tmp_path))


def test_an_error_of_the_engine_ends_the_run(
    tiny_bundle: Bundle,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    class Failing(FakeEngine):
        def __call__(self, images: NDArray[np.uint8]) -> Candidates:  # noqa: ARG002
            raise RuntimeError("out of memory")

    detector = Detector(tiny_bundle, Failing(), settings=settings(tiny_bundle.path))
    with pytest.raises(EngineFailedError, match="the engine failed: RuntimeError: out of memory"):
        detector.detect([golden_image()])
    monkeypatch.setattr(Detector, "open", lambda *_, **__: detector)
    assert detect(tiny_bundle, photos, "--out", tmp_path / "found.jsonl") == 1
    assert "detect: the engine failed: RuntimeError: out of memory" in capsys.readouterr().err
