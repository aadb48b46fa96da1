"""Detect in one picture, and draw the detections on it.

python examples/detect.py service/bundles/bccd-passd-320/blood-cells-2.jpg [http://localhost:8000]
"""

import sys

try:
    from singleshot import Client
except ModuleNotFoundError as error:
    sys.exit(str(error))

if len(sys.argv) < 2:
    sys.exit(__doc__)
picture = sys.argv[1]
url = sys.argv[2] if len(sys.argv) > 2 else "http://localhost:8000"

with Client(url) as client:
    detections = client.detect(picture, score_threshold=0.5)

for one in detections:
    print(f"{one.label:10} {one.score:.2f}  {one.box}")
detections.draw(picture).save("detections.png")
print(f"{len(detections)} objects, {detections.stage_seconds['infer']:.3f} s in the model: see detections.png")
