"""TensorRT, the engine on NVIDIA GPUs."""
