# Sourced by the images' commands. Numba reads a cache only if it can write to it, so this copies the image's machine code
# to NUMBA_CACHE_DIR. If it cannot write there, or the image has no code for this processor, Numba compiles again at each
# start, which costs some seconds.
mkdir -p "$NUMBA_CACHE_DIR" 2>/dev/null && cp -R /opt/numba/. "$NUMBA_CACHE_DIR" 2>/dev/null
: "${NUMBA_CPU_NAME:=$(/app/docker/processor_levels.sh | tail -1)}"
export NUMBA_CPU_NAME
