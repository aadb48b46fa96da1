# Part of deploy/check_cluster.sh: deploy/kubernetes/train-job.yaml with two pods on the CPU, one of which is killed.
EPOCHS=6
train() { kubectl --namespace train "$@"; }
epochs() { python3 -c '
import json, sys
print(*[json.loads(line)["epoch"] for line in open(sys.argv[1])])' "$WORK/train/runs/mine/log.jsonl"; }

drill_train() {
  wait "$TRAIN_IMAGE" || { tail -25 "$WORK/train-image.log"; return 1; }
  docker run --rm --user 0 --volume "$PWD/tests:/app/tests:ro" --volume "$WORK/train:/train" singleshot:workbench -c '
from pathlib import Path
from tests.models.pictures import write_voc
write_voc(Path("/train/data"), {"train": 48})'
  mkdir -p "$WORK/train/runs"
  chmod 777 "$WORK/train/runs"
  python3 deploy/check/train_job.py deploy/kubernetes/train-job.yaml $EPOCHS | logged train apply --filename -
  has_checkpoint() { [ "$(epochs | wc -w)" -ge 2 ]; }
  wait_for 300 has_checkpoint
  docker kill --signal KILL "$(docker ps --quiet --filter label=io.kubernetes.container.name=train \
    --filter label=io.kubernetes.pod.namespace=train | head -1)" >/dev/null
  logged train wait --for=condition=complete job/train-0 job/train-1 --timeout 400s
  [ "$(epochs)" = "$(seq -s' ' $EPOCHS)" ]
  train logs job/train-0 | grep '2 processes' | sort -u
  local restarts
  restarts=$(train get pods -o jsonpath='{range .items[*]}{.status.containerStatuses[0].restartCount} {end}')
  [[ $restarts =~ ^"1 "[0-9]" "$ || $restarts =~ ^[0-9]" 1 "$ ]]
  python3 deploy/check/train_job.py deploy/kubernetes/train-job.yaml $EPOCHS | logged train delete --filename -
  well train "two pods of torchrun with gloo, one killed: restarts $restarts; the log has the epochs $(seq -s' ' $EPOCHS)"
}
