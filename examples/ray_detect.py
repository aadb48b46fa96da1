"""Detect in a folder of pictures on all machines of a Ray cluster; docs/batch.md has more about it.

pip install '.[cpu,remote]' 'ray[data]>=2.40,<3'        # on each machine
python examples/ray_detect.py s3://photos/2026 s3://found/2026
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

try:
    import ray
except ModuleNotFoundError:
    sys.exit("Ray is not installed; run `pip install '.[cpu,remote]' 'ray[data]>=2.40,<3'`")

from service.detect.detector import Detector, Found
from service.detection.rows import rows_of
from service.errors import ImageError
from service.settings import Settings


class Detect:
    """A process with an engine, one for each machine; its threads keep all cores or the GPU busy."""

    def __init__(self) -> None:
        settings = Settings.model_validate({"precision": "fp32"})  # else each machine takes what is fast on it
        self.detector = Detector.open("default", settings=settings)
        self.threads = ThreadPoolExecutor(self.detector.num_workers)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """path, bytes (B,) -> path, result (B,): the detections as JSON, or the error of a bad picture."""
        images, size = list(batch["bytes"]), self.detector.max_batch
        groups = [images[start : start + size] for start in range(0, len(images), size)]
        found = [one for group in self.threads.map(self.detector.detect, groups) for one in group]
        return {"path": batch["path"], "result": [self.text_of(one) for one in found]}

    def text_of(self, found: Found | ImageError) -> str:
        """The JSON text of one picture."""
        if isinstance(found, ImageError):
            return json.dumps({"error": str(found)})
        return json.dumps(rows_of(self.detector.manifest.classes, found.detections))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    pictures = ray.data.read_binary_files(sys.argv[1], include_paths=True)
    machines = ray.data.ActorPoolStrategy(size=sum(node["Alive"] for node in ray.nodes()))
    # each claims so few of a machine's CPUs that another machine can take its work if it is lost
    found = pictures.map_batches(Detect, batch_size=64, compute=machines, num_cpus=0.1, scheduling_strategy="SPREAD")
    found.write_parquet(sys.argv[2])
