#!/bin/sh
# Start the server. Numba looks only into a cache that it may write to, so the machine code that the image brings goes where there
# is room. Where there is none, or nothing for this processor, it is compiled anew at each start, which costs some seconds.
mkdir -p "$NUMBA_CACHE_DIR" 2>/dev/null && cp -R /opt/numba/. "$NUMBA_CACHE_DIR" 2>/dev/null
: "${NUMBA_CPU_NAME:=$(docker/processor_levels.sh | tail -1)}"
export NUMBA_CPU_NAME
exec python -m service "$@"
