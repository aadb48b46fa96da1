"""Both clients against a real server, whose model finds red and green blocks of 16 pixels."""

import io
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from singleshot import Client, DetectError, Detections, UnreachableError
from tests.service.image_files import encode
from tests.singleshot.client.awaited import AnyClient
from tests.tiny_bundle import CLASSES, golden_image, png

GOLDEN = png(golden_image())
FORKING = """
import os, sys
from singleshot import Client

address, picture, num_before = sys.argv[1:]
client = Client(address)
for _ in range(int(num_before)):
    client.detect(picture)
if child := os.fork():
    os.waitpid(child, 0)
else:
    try:
        print(len(client.detect(picture)), flush=True)
    except RuntimeError as error:
        print(error, flush=True)
"""


def found_in(detections: Detections | Exception) -> list[tuple[str, tuple[float, ...]]]:
    assert isinstance(detections, Detections)
    return [(one.label, one.box) for one in detections]


def block(x: int) -> NDArray[np.uint8]:
    """A black picture with a red block at (x, 16), x a multiple of 8."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[16:32, x : x + 16, 0] = 255
    return image


def test_objects_of_a_picture_come_with_their_labels_boxes_and_the_server_s_times(
    kind: AnyClient, address: str
) -> None:
    with kind(address) as client:
        detections = client.detect(GOLDEN)
    assert found_in(detections) == [("red", (16, 16, 32, 32)), ("green", (40, 40, 56, 56))]
    assert detections.scores == [1, 1]
    assert detections.class_ids == [0, 1]
    assert (detections.model, detections.version) == ("tiny", "1")
    assert (detections.width, detections.height) == (64, 64)
    assert set(detections.stage_seconds) == {"decode", "queue", "infer", "postprocess"}
    assert detections.request_id


def test_tiles_find_what_is_too_small_in_the_whole_picture(kind: AnyClient, address: str) -> None:
    picture = np.zeros((208, 256, 3), np.uint8)
    picture[104:120, 152:168, 0] = 255
    with kind(address) as client:
        whole, tiled = client.detect(picture), client.detect(picture, tile=64)
        assert client.detect(GOLDEN, tile="auto").views == 1
    assert (found_in(whole), whole.views) == ([], 1)
    assert (found_in(tiled), tiled.views) == ([("red", (152, 104, 168, 120))], 21)


def pictures_of(golden: bytes, folder: Path) -> dict[str, Any]:
    path = folder / "golden.png"
    path.write_bytes(golden)
    return {
        "path": path,
        "name": str(path),
        "bytearray": bytearray(golden),
        "memoryview": memoryview(golden),
        "file": io.BytesIO(golden),
        "array": golden_image(),
        "image": Image.fromarray(golden_image()),
        "opened": Image.open(path),
    }


def test_each_form_of_a_picture_gives_the_same(kind: AnyClient, address: str, tmp_path: Path) -> None:
    with kind(address) as client:
        expected = found_in(client.detect(GOLDEN))
        for name, picture in pictures_of(GOLDEN, tmp_path).items():
            assert found_in(client.detect(picture)) == expected, name


def test_an_image_of_pillow_is_turned_upright_as_its_file_is(kind: AnyClient, address: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    file = encode(Image.fromarray(block(40)[:, :48].copy()), "PNG", exif=exif)
    with kind(address) as client, Image.open(io.BytesIO(file)) as image:
        by_file, by_image = client.detect(file), client.detect(image)
    assert (by_file.width, by_file.height) == (64, 48)
    assert by_file.to_dict()["detections"] == by_image.to_dict()["detections"]
    assert by_image.draw(image).size == (64, 48)


def test_options_reach_the_server(kind: AnyClient, address: str) -> None:
    dim = png(golden_image(brightness=204))
    with kind(address) as client:
        assert client.detect(dim).scores == pytest.approx([0.8, 0.8])
        assert client.detect(dim, score_threshold=0.9).scores == []
        assert client.detect(dim, max_detections=1, model="tiny", version=None).labels == ["red"]
        assert client.detect(dim, classes=["green"]).labels == ["green"]
        assert client.detect(dim, classes="green").labels == ["green"]
        assert client.detect(dim, class_thresholds={"red": 0.9, "green": 0.1}).labels == ["green"] * 9
        assert len(client.detect(dim, nms="none", score_threshold=0)) > 2
        assert len(client.detect(dim, nms="hard", iou_threshold=0, timeout=60)) == 2


def test_a_refusal_says_why_and_is_not_tried_again(kind: AnyClient, address: str) -> None:
    with kind(address) as client:
        with pytest.raises(DetectError, match="415 Unsupported Media Type: not an image that this server reads") as bad:
            client.detect(b"no picture")
        assert bad.value.request_id in str(bad.value)
        with pytest.raises(DetectError, match="no model has that name; there are tiny"):
            client.detect(GOLDEN, model="large")
        with pytest.raises(DetectError, match="score_threshold") as wrong:
            client.detect(GOLDEN, score_threshold=2)
        assert wrong.value.status == 422


def test_a_file_that_is_missing_is_the_error_of_python(kind: AnyClient, address: str) -> None:
    with kind(address) as client, pytest.raises(FileNotFoundError):
        client.detect("missing.jpg")


def test_an_unknown_option_is_named(kind: AnyClient, address: str) -> None:
    with kind(address) as client:
        with pytest.raises(TypeError, match="there is no option 'threshold'; there are class_thresholds"):
            client.detect(GOLDEN, threshold=0.5)  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="there is no option 'threshold'"):
            client.detect_many([GOLDEN], threshold=0.5)  # type: ignore[call-overload]


@pytest.mark.parametrize("concurrency", [1, 3, 20])
def test_results_of_many_pictures_come_in_their_order(kind: AnyClient, address: str, concurrency: int) -> None:
    starts = [8 * (number % 6) for number in range(24)]
    with kind(address) as client:
        results = list(client.detect_many(map(block, starts), concurrency=concurrency))
    assert [found_in(result)[0][1][0] for result in results] == starts


def test_an_error_of_one_picture_is_given_in_its_place(kind: AnyClient, address: str) -> None:
    pictures: list[Any] = [GOLDEN, b"no picture", GOLDEN, "missing.jpg", 5, GOLDEN]
    with kind(address) as client:
        results = list(client.detect_many(pictures, return_exceptions=True))
    kinds = [type(result) for result in results]
    assert kinds == [Detections, DetectError, Detections, FileNotFoundError, TypeError, Detections]


def test_an_error_of_one_picture_is_raised_in_its_place(kind: AnyClient, address: str) -> None:
    with kind(address) as client:
        results = client.detect_many([GOLDEN, GOLDEN, b"no picture", GOLDEN])
        assert [len(found_in(next(results))) for _ in range(2)] == [2, 2]
        with pytest.raises(DetectError, match="415"):
            next(results)
        assert list(results) == []


def test_an_error_of_the_source_comes_after_the_results_before_it(kind: AnyClient, address: str) -> None:
    def pictures() -> Iterator[bytes]:
        yield GOLDEN
        yield GOLDEN
        raise OSError("the camera is unplugged")

    with kind(address) as client:
        results = client.detect_many(pictures())
        assert [len(found_in(next(results))) for _ in range(2)] == [2, 2]
        with pytest.raises(OSError, match="the camera is unplugged"):
            next(results)


def test_an_endless_source_is_taken_only_as_far_as_needed(kind: AnyClient, address: str) -> None:
    taken = itertools.count()

    def pictures() -> Iterator[bytes]:
        while True:
            next(taken)
            yield GOLDEN

    with kind(address) as client:
        results = client.detect_many(pictures(), concurrency=2)
        assert len(list(itertools.islice(results, 10))) == 10
        assert next(taken) <= 10 + 2 * 2
        results.close()  # type: ignore[attr-defined]


def test_no_pictures_give_no_results(kind: AnyClient, address: str) -> None:
    with kind(address) as client:
        assert list(client.detect_many([])) == []
        with pytest.raises(ValueError, match="the concurrency is 0"):
            client.detect_many([], concurrency=0)


@pytest.mark.parametrize("picture", ["photos", Path("photos"), GOLDEN], ids=["str", "Path", "bytes"])
def test_one_picture_instead_of_several_is_refused(kind: AnyClient, address: str, picture: Any) -> None:
    with kind(address) as client, pytest.raises(TypeError, match="detect_many takes several pictures"):
        client.detect_many(picture)


def test_the_models_and_their_classes_are_listed(kind: AnyClient, address: str) -> None:
    with kind(address) as client:
        (model,) = client.models()
    assert (model.name, model.version, model.classes, model.is_default) == ("tiny", "1", CLASSES, True)
    assert model.engine == "onnx"


def test_a_server_is_ready_or_not(kind: AnyClient, address: str) -> None:
    with kind(address) as client, kind("http://127.0.0.1:9") as absent:
        assert client.is_ready()
        assert not absent.is_ready()


def test_an_address_without_a_server_is_named(kind: AnyClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("singleshot.client.exchange.UNREACHABLE_SECONDS", 0.1)
    with (
        kind("http://127.0.0.1:9/") as client,
        pytest.raises(
            UnreachableError, match=r"http://127\.0\.0\.1:9 cannot be reached: Connection refused; is the server"
        ),
    ):
        client.detect(GOLDEN)


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8000",
        "ftp://host",
        "http://",
        "http://host:port",
        "http://host:80000",
        "http://host/?model=cells",
        "http://host/#page",
        "unix://",
        "",
        None,
    ],
)
def test_an_address_that_is_none_is_refused_with_examples(kind: AnyClient, url: Any) -> None:
    with pytest.raises(ValueError, match="an address looks like http://localhost:8000"):
        kind(url)


def test_no_error_shows_a_password_or_a_key(kind: AnyClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("singleshot.client.exchange.UNREACHABLE_SECONDS", 0.1)
    with (
        kind("http://ann:secret@127.0.0.1:9") as client,
        pytest.raises(UnreachableError, match=r"^http://127\.0\.0\.1:9 cannot be reached"),
    ):
        client.detect(GOLDEN)
    with pytest.raises(ValueError, match=r"^http://host:port: Invalid port"):
        kind("http://ann:secret@host:port")
    with pytest.raises(ValueError, match=r"^the API key should consist of printable ASCII characters, with no space"):
        kind("http://localhost:8000", api_key="secret\n")
    with pytest.raises(ValueError, match=r"^the header Authorization should consist of printable ASCII characters"):
        kind("http://localhost:8000", headers={"Authorization": "Bearer secret\n"})


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": 0},
        {"timeout": -1.5},
        {"timeout": float("nan")},
        {"timeout": 1e10},
        {"api_key": "schlüssel"},
        {"api_key": ""},
    ],
)
def test_a_timeout_or_a_key_that_is_none_is_refused(kind: AnyClient, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"the timeout is|the API key should"):
        kind("http://localhost:8000", **options)


@pytest.mark.parametrize("form", [str, Path])
def test_a_certificate_that_cannot_be_read_is_named(
    kind: AnyClient, form: Callable[[str], str | Path], tmp_path: Path
) -> None:
    (tmp_path / "text.pem").write_text("no certificate")
    for name in ("missing.pem", "text.pem"):
        with pytest.raises(OSError, match=name):
            kind("https://localhost:8443", verify=form(str(tmp_path / name)))


def test_no_classes_are_not_all_classes(kind: AnyClient, address: str) -> None:
    with kind(address) as client, pytest.raises(ValueError, match="classes is empty; give at least one name, or None"):
        client.detect(GOLDEN, classes=[])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")
@pytest.mark.parametrize(("num_before", "printed"), [(0, "2"), (1, "the client is in use by the process that forked")])
def test_a_forked_process_takes_no_answers_of_another(
    address: str, num_before: int, printed: str, tmp_path: Path
) -> None:
    (tmp_path / "golden.png").write_bytes(GOLDEN)
    command = [sys.executable, "-c", FORKING, address, str(tmp_path / "golden.png"), str(num_before)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith(printed), done.stdout + done.stderr


def test_threads_share_a_client(address: str) -> None:
    with Client(address) as client:
        streams = [client.detect_many([block(8 * number)] * 10, concurrency=2) for number in range(4)]
        for results in zip(*streams, strict=True):
            assert [found_in(result)[0][1][0] for result in results] == [0, 8, 16, 24]
