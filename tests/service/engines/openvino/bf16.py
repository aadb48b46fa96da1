"""Where OpenVINO can compute in bf16, at whatever speed: with AVX-512 it emulates the instructions that are missing."""

import pytest

from service.cores import cpu_flags

in_bf16 = pytest.mark.skipif("avx512bw" not in cpu_flags(), reason="without AVX-512 OpenVINO has no bf16")
