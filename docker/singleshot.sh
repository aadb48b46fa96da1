#!/bin/sh
# The command in a server's image, in any working directory:
#   docker run --rm --entrypoint singleshot -v "$PWD/photos:/photos:ro" singleshot:cpu detect /photos --format jsonl
. /app/docker/machine_code.sh
PYTHONPATH=/app exec python -P -m singleshot "$@"
