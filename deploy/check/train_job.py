"""Print the objects of deploy/kubernetes/train-job.yaml for a cluster without Indexed Jobs and without GPUs, as JSON.

python3 deploy/check/train_job.py FILE EPOCHS

Instead of the Indexed Job there are two Jobs of one pod each, with the host names that an Indexed Job would give. The
pods are otherwise as in the file, but for their resources; they train a small model on a small data set.
"""

import copy
import json
import sys
from pathlib import Path
from typing import Any

import yaml

TRAIN = """\
[ ! -e /runs/mine/last.pt ] || set -- --resume
exec python -m models train passd-320-mobilenet --data /data --split train --out /runs/mine --device cpu --workers 0 \
  --init none --epochs {epochs} --set model.input_size=128 --set optim.batch_size=8 \
  --set optim.lr=0.0005 "$@"
"""


def main() -> None:
    """Read the objects of the file and print a List."""
    file, epochs = sys.argv[1:]
    objects = {item["kind"]: item for item in yaml.safe_load_all(Path(file).read_text())}
    assert objects.keys() == {"ConfigMap", "Service", "Job"}
    objects["ConfigMap"]["data"]["train.sh"] = TRAIN.format(epochs=epochs)
    job = objects.pop("Job")
    items = [*objects.values(), *(single(job, index) for index in range(job["spec"]["completions"]))]
    print(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


def single(job: dict[str, Any], index: int) -> dict[str, Any]:
    """A Job for the pod with this index."""
    own = copy.deepcopy(job)
    name = f"{job['metadata']['name']}-{index}"
    own["metadata"]["name"] = name
    del own["spec"]["completionMode"]
    own["spec"] |= {"completions": 1, "parallelism": 1}
    pod = own["spec"]["template"]["spec"]
    pod["hostname"] = name
    [container] = pod["containers"]
    container["resources"] = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "3Gi"}}
    container["env"] = [{"name": "OMP_NUM_THREADS", "value": "1"}]
    return own


if __name__ == "__main__":
    main()
