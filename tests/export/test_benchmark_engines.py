"""The benchmark of the engines compares forms that compute the same, and its tables show the measurements."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from export.benchmark_engines import Row, main, markdown, timed
from service.bundle import read_bundle, write_bundle
from service.settings import DEFAULT_BUNDLES

pytest.importorskip("openvino", reason="OpenVINO is an optional engine: pip install .[cpu]")


def test_all_forms_of_the_offset_convolution_compute_the_same() -> None:
    from export.offset_conv_benchmark import offset_conv_runs

    (_, reference), *others = offset_conv_runs(8, num_threads=1)
    expected = reference()
    assert expected.std() > 1
    for name, run in others:
        tolerance = 0.1 if "bf16" in name else 1e-3
        np.testing.assert_allclose(run(), expected, atol=tolerance, err_msg=name)


def test_each_run_is_compared_with_the_first() -> None:
    calls: list[str] = []
    rows = timed("t", {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, batch=2, num_rounds=3)
    assert calls == ["a", "b"] * 4
    assert [row.name for row in rows] == ["a", "b"]
    assert rows[0].speedup == 1


def test_the_table_has_a_column_for_each_batch_size() -> None:
    rows = [
        Row("m", "a", 1, 10.0, 1.0),
        Row("m", "b", 1, 5.0, 2.0),
        Row("m", "a", 8, 8.0, 1.0),
        Row("m", "b", 8, 2.0, 4.0),
    ]
    lines = markdown(rows).splitlines()
    assert lines[0] == "| m | batch 1 | batch 8 |"
    assert lines[3] == "| b | 200.0/s, 5.00 ms, 2.00x | 500.0/s, 2.00 ms, 4.00x |"


def test_a_bundle_is_measured_and_written_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "engines.json"
    bundle = str(DEFAULT_BUNDLES / "bccd-passd-320")
    assert main([bundle, "--batches", "1", "--filters", "--rounds", "1", "--threads", "1", "--out", str(out)]) == 0
    names = [row["name"] for row in json.loads(out.read_text())["rows"]]
    assert names[:2] == ["ONNX Runtime fp32", "OpenVINO fp32"]
    assert "| ONNX Runtime fp32 |" in capsys.readouterr().out


def test_the_error_for_an_unknown_model_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nothing-like-it", "--rounds", "1"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_int8_without_nncf_names_the_package_to_install(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    if find_spec("nncf"):
        pytest.skip("NNCF is installed")
    bundle = read_bundle(DEFAULT_BUNDLES / "bccd-passd-320").without_int8()
    files = {file.name: file.read_bytes() for file in (bundle.model_path, bundle.golden_path)}
    write_bundle(tmp_path / "plain", bundle.manifest.model_copy(update={"card": None}), files)
    assert main([str(tmp_path / "plain"), "--int8", "--batches", "1", "--rounds", "1"]) == 1
    assert "pip install '.[int8]'" in capsys.readouterr().err
