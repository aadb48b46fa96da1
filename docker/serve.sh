#!/bin/sh
# Start the server.
. /app/docker/machine_code.sh
exec python -m service "$@"
