#!/bin/sh
# Check and measure this project on a machine with an NVIDIA GPU, and print a report for docs/results.md.
#
#   docker/check_gpu.sh             twelve minutes
#   docker/check_gpu.sh --cpu       what needs no GPU, at the smallest size
#   docker/check_gpu.sh --help      all options
root=$(cd "$(dirname "$0")/.." && pwd)
python=$root/.venv/bin/python
[ -x "$python" ] || python=python3
PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH} exec "$python" -m comparison.gpu "$@"
