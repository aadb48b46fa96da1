"""A step that does not end, and has started a process that does not end either."""

import subprocess
import sys
from threading import Event

from comparison.gpu.step import Findings, Options


def run(options: Options, findings: Findings) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import threading; threading.Event().wait()"])
    (options.work / "child").write_text(str(child.pid))
    findings.figure("3 cases")
    Event().wait()
