"""Compare an answer of /detect on stdin with the golden detections of the packaged bundle; print the objects found.

The answer is for a JPEG of the golden image, whose pixels differ a little, so that a weak detection may come or go.
"""

import json
import sys
from collections import Counter
from pathlib import Path

BUNDLE = Path(__file__).parents[2] / "service" / "bundles" / "bccd-passd-320"
MOST_DIFFERENCES = 2


def main() -> None:
    """Exit with status 1 if more than a few objects are missing or too many."""
    manifest = json.loads((BUNDLE / "manifest.json").read_text())
    wanted = Counter(manifest["classes"][detection["label"]] for detection in manifest["golden"]["detections"])
    [result] = json.load(sys.stdin)["results"]
    found = Counter(detection["label"] for detection in result["detections"])
    print(" ", ", ".join(f"{count} {label}" for label, count in sorted(found.items())))
    differences = ((wanted - found) + (found - wanted)).total()
    if differences > MOST_DIFFERENCES:
        sys.exit(f"the golden image has {dict(wanted)}")


if __name__ == "__main__":
    main()
