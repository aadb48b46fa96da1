"""The libraries that run models report nothing about their use."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "module",
    [
        "service.engines.openvino.engine",
        "service.engines.onnx_runtime",
        "service.engines.onnx_cuda",
        "export.benchmark_engines",
    ],
)
def test_no_library_creates_an_id_to_report_under(module: str, tmp_path: Path) -> None:
    """The reporting clients of both libraries write such an id into the home directory before they send anything."""
    pytest.importorskip("openvino")
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "ORT_DISABLE_TELEMETRY")}
    command = [sys.executable, "-c", f"import {module}"]
    subprocess.run(command, cwd=ROOT, env=environment | {"HOME": str(tmp_path)}, check=True)
    assert list(tmp_path.rglob("*")) == []
