"""The libraries that run models tell nobody that they are used."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "module", ["service.engines.openvino.engine", "service.engines.onnx_runtime", "export.benchmark_engines"]
)
def test_no_library_gives_its_user_a_number_to_report_under(module: str, tmp_path: Path) -> None:
    """Both libraries' clients write one into the home directory before they send anything."""
    pytest.importorskip("openvino")
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "ORT_DISABLE_TELEMETRY")}
    command = [sys.executable, "-c", f"import {module}"]
    subprocess.run(command, cwd=ROOT, env=environment | {"HOME": str(tmp_path)}, check=True)
    assert list(tmp_path.rglob("*")) == []
