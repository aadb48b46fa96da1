"""PyTriton: NVIDIA's Triton in front of Python functions, one engine for each core, Triton's dynamic batcher.

https://triton-inference-server.github.io/pytriton/latest/binding_models
"""

import sys
from collections.abc import Callable

import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from comparison.detector import MAX_BATCH, NUM_WORKERS, Detector


def instance() -> Callable[..., list[np.ndarray]]:
    """An inference function with its own engine."""
    detector = Detector()

    @batch
    def detect(image: np.ndarray) -> list[np.ndarray]:  # (B, 1) bytes
        return [np.array([[answer] for answer in detector(image[:, 0].tolist())], np.object_)]

    return detect


if __name__ == "__main__":
    port = int(sys.argv[1])
    config = TritonConfig(
        http_address="127.0.0.1", http_port=port, grpc_address="127.0.0.1", grpc_port=port + 1, allow_metrics=False
    )
    with Triton(config=config) as triton:
        triton.bind(
            model_name="detect",
            infer_func=[instance() for _ in range(NUM_WORKERS)],
            inputs=[Tensor(name="image", shape=(1,), dtype=np.bytes_)],
            outputs=[Tensor(name="answer", shape=(1,), dtype=np.bytes_)],
            config=ModelConfig(max_batch_size=MAX_BATCH, batcher=DynamicBatcher(max_queue_delay_microseconds=0)),
            strict=False,
        )
        triton.serve()
