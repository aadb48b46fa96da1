"""The server. The libraries that run models report their use to their makers; this package switches that off.

It does so before any other module of the package is imported: both libraries read the switch at their import.
"""

import os
import sys

from service.missing_packages import explain_in_commands

__version__ = "0.1.0"

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # ONNX Runtime
# OpenVINO works without this package; None makes the import of it fail
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
explain_in_commands()
