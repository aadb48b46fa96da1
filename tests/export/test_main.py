"""`python -m export engine` runs without torch: the images that build engines do not have it."""

import subprocess
import sys
from pathlib import Path

from service.settings import DEFAULT_BUNDLES

ROOT = Path(__file__).parents[2]
WITHOUT_TORCH = """
import sys
from pathlib import Path

for name in ("httpx", "models", "onnxruntime", "onnxscript", "torch"):
    sys.modules[name] = None  # importing it raises ImportError
from export.__main__ import main
from export.to_engine import network_of
from service.bundle import read_bundle

network, num_plugins = network_of(read_bundle(Path(sys.argv[1])), "fp16")
assert num_plugins == 4 and network
sys.exit(main(["engine", sys.argv[1], "--max-batch", "0"]))
"""


def test_an_engine_s_network_is_made_without_torch_and_onnxscript() -> None:
    command = [sys.executable, "-c", WITHOUT_TORCH, str(DEFAULT_BUNDLES / "bccd-passd-320")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "export: --max-batch is 0; it must be at least 1\n"
