"""The server. The libraries that run models would tell their makers of each import; here that is switched off."""

import os
import sys

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # ONNX Runtime
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # OpenVINO: None makes its import fail, and it goes without
