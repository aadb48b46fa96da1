"""Write the bundles of the drills: `main`, the packaged one, and `canary`, a version 2 that finds fewer objects.

python3 docker/check/bundles.py DIRECTORY
"""

import json
import shutil
import sys
from pathlib import Path

PACKAGED = Path(__file__).parents[2] / "service" / "bundles" / "bccd-passd-320"
CANARY_THRESHOLD = 0.97  # the packaged bundle's is 0.45


def main() -> None:
    """Write both below the directory that the command line names."""
    directory = Path(sys.argv[1])
    for name in ("main", "canary"):
        shutil.copytree(PACKAGED, directory / name)
    path = directory / "canary" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["version"] = "2"
    manifest["nms"]["score_threshold"] = CANARY_THRESHOLD
    found = manifest["golden"]["detections"]
    manifest["golden"]["detections"] = [detection for detection in found if detection["score"] >= CANARY_THRESHOLD]
    path.write_text(json.dumps(manifest, indent=2))


if __name__ == "__main__":
    main()
