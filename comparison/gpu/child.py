"""`python -m comparison.gpu.child MODULE OPTIONS RESULT.json`: the process of one step."""

import sys
import traceback
from importlib import import_module
from pathlib import Path

from comparison.gpu.step import Findings, Options, SkippedError

OWN_PACKAGES = ("", "comparison", "export", "models", "service")


def main() -> int:
    """Run the step and write its outcome; returns the exit status, 0 unless the step failed."""
    module, options, result = sys.argv[1:]
    findings = Findings(Path(result))
    try:
        import_module(module).run(Options.of_json(options), findings)
    except SkippedError as error:
        findings.end("skipped", str(error))
    except Exception as error:
        package = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
        if package not in OWN_PACKAGES:
            findings.end("skipped", f"needs {package}")
            return 0
        traceback.print_exc()
        lines = str(error).strip().splitlines()
        findings.end("failed", lines[-1] if lines else type(error).__name__)
        return 1
    else:
        findings.end("passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
