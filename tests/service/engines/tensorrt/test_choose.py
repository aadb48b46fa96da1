"""TensorRT engines in a bundle: writing them, and choosing the one that fits this machine."""

import logging
from pathlib import Path

import pytest

from service.bundle import Bundle, BundleError, EngineFile, add_engine, read_bundle
from service.detection.golden import check_golden
from service.engines.open import open_engine
from service.engines.protocol import EngineError
from service.engines.tensorrt.choose import Flavour, choose_engine, installed_versions
from service.engines.tensorrt.cuda import CudaError, gpu_target
from service.engines.tensorrt.engine import TensorrtEngine
from tests.tiny_bundle import write_tiny_bundle

FILE = EngineFile(flavour="tensorrt", version="10.8.0.43", compute_capability="sm_89", precision="fp16", max_batch=8)


def has_gpu() -> bool:
    try:
        return bool(gpu_target())
    except CudaError:
        return False


without_gpu = pytest.mark.skipif(has_gpu(), reason="tests a machine without a GPU")


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_tiny_bundle(tmp_path / "tiny")


def test_an_engine_is_added_and_replaced_with_its_hash(bundle: Bundle) -> None:
    for content in (b"first", b"second, which is longer"):
        found = add_engine(bundle.path, "sm_89.engine", FILE, content)
        assert found.manifest.engines == {"sm_89.engine": FILE}
        assert (bundle.path / "sm_89.engine").read_bytes() == content
    assert found.manifest.model_copy(update={"files": {}, "engines": {}}) == bundle.manifest.model_copy(
        update={"files": {}}
    )


@pytest.mark.parametrize(
    ("blocked", "engine_afterwards"),
    [(".manifest.json.new", b"old"), (".sm_89.engine.new", None)],
)
def test_a_write_that_fails_leaves_a_valid_bundle(
    bundle: Bundle, blocked: str, engine_afterwards: bytes | None
) -> None:
    add_engine(bundle.path, "sm_89.engine", FILE, b"old")
    (bundle.path / blocked).mkdir()  # a file cannot be written there
    with pytest.raises(OSError, match=blocked):
        add_engine(bundle.path, "sm_89.engine", FILE, b"new")
    found = read_bundle(bundle.path)  # raises if a listed file is missing or changed
    is_listed = "sm_89.engine" in found.manifest.engines
    assert (found.path / "sm_89.engine").read_bytes() == b"old"
    assert is_listed == (engine_afterwards is not None)


def test_an_engine_file_that_changed_is_refused(bundle: Bundle) -> None:
    add_engine(bundle.path, "sm_89.engine", FILE, b"engine")
    (bundle.path / "sm_89.engine").write_bytes(b"engin")
    with pytest.raises(BundleError, match=r"sm_89\.engine: SHA-256 is .* the file was changed or cut short"):
        read_bundle(bundle.path)


def test_the_engine_of_this_gpu_and_version_is_chosen(bundle: Bundle) -> None:
    other = FILE.model_copy(update={"compute_capability": "sm_86"})
    add_engine(bundle.path, "sm_86.engine", other, b"other")
    both = add_engine(bundle.path, "sm_89.engine", FILE, b"engine")
    assert choose_engine(both, "sm_89", {"tensorrt": "10.8.0.43", "tensorrt_rtx": "1.7"}) == ("sm_89.engine", FILE)
    assert choose_engine(both, "sm_86", {"tensorrt": "10.8.0.43"}) == ("sm_86.engine", other)


@pytest.mark.parametrize(
    ("target", "versions", "message"),
    [
        ("sm_120", {"tensorrt": "10.8.0.43"}, "has TensorRT engines for sm_89, and this GPU is sm_120"),
        ("sm_89", {"tensorrt": "11.4.0.106"}, r"sm_89\.engine: it needs tensorrt 10\.8\.0\.43, here is 11\.4\.0\.106"),
        ("sm_89", {"tensorrt_rtx": "10.8.0.43"}, r"it needs tensorrt 10\.8\.0\.43, here is none"),
    ],
)
def test_an_engine_that_does_not_fit_is_refused_with_the_command_that_builds_it(
    bundle: Bundle, target: str, versions: dict[Flavour, str], message: str
) -> None:
    found = add_engine(bundle.path, "sm_89.engine", FILE, b"engine")
    with pytest.raises(EngineError, match=rf"{message}; build it with `python -m export engine {bundle.path}` on"):
        choose_engine(found, target, versions)


def test_an_engine_in_another_precision_than_requested_is_refused(bundle: Bundle) -> None:
    found = add_engine(bundle.path, "sm_89.engine", FILE, b"engine")
    with pytest.raises(EngineError, match=r"sm_89\.engine: it computes in fp16 and not in fp32; build it with"):
        choose_engine(found, "sm_89", {"tensorrt": FILE.version}, "fp32")


def test_an_engine_without_a_hash_is_refused(bundle: Bundle) -> None:
    found = add_engine(bundle.path, "sm_89.engine", FILE, b"engine")
    files = {name: sha256 for name, sha256 in found.manifest.files.items() if name != "sm_89.engine"}
    unlisted = Bundle(found.path, found.manifest.model_copy(update={"files": files}))
    with pytest.raises(EngineError, match=r"the manifest gives no SHA-256 for it"):
        choose_engine(unlisted, "sm_89", {"tensorrt": FILE.version})


def test_the_exact_version_of_the_installed_tensorrt_is_found() -> None:
    trt = pytest.importorskip("tensorrt_rtx", reason="TensorRT for RTX is optional: pip install .[engine]")
    assert installed_versions()["tensorrt_rtx"] == trt.__version__


@without_gpu
def test_without_a_gpu_tensorrt_is_refused_in_one_sentence(bundle: Bundle) -> None:
    found = add_engine(bundle.path, "sm_89.engine", FILE, b"engine")
    reason = r"(there is no NVIDIA driver, or no GPU|cuda-bindings is not installed)"
    with pytest.raises(EngineError, match=rf"TensorRT cannot run here: {reason}"):
        open_engine(found, "tensorrt")
    with pytest.raises(EngineError, match=rf"sm_89\.engine: TensorRT cannot run it: {reason}.*build it again with"):
        TensorrtEngine(found, "sm_89.engine", FILE)


@without_gpu
def test_without_a_gpu_a_bundle_with_engines_is_served_on_the_cpu(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    found = add_engine(bundle.path, "sm_89.engine", FILE, b"engine")
    with caplog.at_level(logging.WARNING):
        engine = open_engine(found, "auto", num_threads=1)
    check_golden(found, engine)
    assert engine.name != "tensorrt"
    engine.close()
    assert not caplog.records
