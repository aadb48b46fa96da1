"""Detect with NVIDIA's client for Triton, over HTTP: the server speaks the same protocol.

pip install 'tritonclient[http]'
python examples/tritonclient_http.py service/bundles/bccd-passd-320/blood-cells-2.jpg [localhost:8000]
"""

import sys
from pathlib import Path

import numpy as np

try:
    from tritonclient.http import InferenceServerClient, InferInput
except ModuleNotFoundError:
    sys.exit("Triton's client is not installed; run `pip install 'tritonclient[http]'`")

if len(sys.argv) < 2:
    sys.exit(__doc__)
address = sys.argv[2] if len(sys.argv) > 2 else "localhost:8000"
picture = np.array([Path(sys.argv[1]).read_bytes()], dtype=object)  # image files, (B,)

with InferenceServerClient(address) as client:
    model = client.get_model_repository_index()[0]["name"]
    image = InferInput("image", picture.shape, "BYTES")
    image.set_data_from_numpy(picture)
    answer = client.infer(model, [image], parameters={"score_threshold": 0.5})

names, scores, boxes = (answer.as_numpy(name)[0] for name in ("class_names", "scores", "boxes"))  # (D,), (D,), (D, 4)
for name, score, box in zip(names, scores, boxes, strict=True):
    print(f"{name.decode():10} {score:.2f}  {box}")
