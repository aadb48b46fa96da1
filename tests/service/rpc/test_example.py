"""The example of Triton's client."""

import os
import subprocess
import sys
from pathlib import Path

from service.bundle import Bundle
from tests.service.rpc.test_process import serving
from tests.service.served_app import GOLDEN
from tests.service.server_process import ROOT, SECONDS


def test_triton_s_client_detects(tiny_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(GOLDEN)
    with serving(tiny_bundle) as (_, address):
        done = subprocess.run(
            [sys.executable, ROOT / "examples" / "tritonclient_grpc.py", "picture.png", address],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    assert done.returncode == 0, done.stderr
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [["red", "1.00"], ["green", "1.00"]]
