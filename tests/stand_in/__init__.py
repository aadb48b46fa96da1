"""CUDA and TensorRT for machines without a GPU, so that the tests run the server's GPU code as it is.

`cuda.py` is CUDA over host memory, `tensorrt.py` TensorRT's Python API over ONNX Runtime. `install.py` puts both in
place. Needs numpy, onnx, onnxruntime and cuda-bindings, and no torch. It shows faults of our own calls. It does not
show how fast or how exact a GPU is.
"""
