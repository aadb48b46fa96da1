#!/bin/sh
# Remove files that no server loads from the installed packages. The image's warm-up runs after this script and fails if
# the server needs one of them.
#   docker/trim.sh /opt/venv/lib/python3.11/site-packages
set -eu
here=$(dirname "$(realpath "$0")")
cd "$1"
# of numpy, numba and llvmlite
find . -type d -name tests -prune -exec rm -r {} +
# for compilers and type checkers
find . -type f \( -name '*.pyi' -o -name '*.pxd' -o -name '*.h' -o -name '*.hpp' -o -name '*.a' \
    -o -name '*.c' -o -name '*.cpp' \) -delete
rm -rf numba/cuda/tests numpy/f2py numpy/distutils google/protobuf/compiler
# only numpy's tests load these
rm -f numpy/_core/_*_tests.*.so numpy/_core/_simd.*.so
# AVIF, fonts, colour profiles, windows
rm -f PIL/_avif.*.so PIL/_imagingft.*.so PIL/_imagingcms.*.so PIL/_imagingtk.*.so

# the server uses OpenVINO on a CPU only, with ONNX files only
if [ -d openvino ]; then
    rm -rf openvino/include openvino/tools/benchmark openvino/libs/cache.json
    for plugin in auto auto_batch hetero intel_gpu intel_npu; do
        rm -f "openvino/libs/libopenvino_${plugin}_plugin.so"
    done
    for reader in gguf jax paddle pytorch tensorflow tensorflow_lite; do
        rm -rf "openvino/libs/libopenvino_${reader}_frontend.so".* "openvino/frontend/$reader"
    done
    rm -f openvino/libs/libopenvino_c.so.* # for programs in C
    rm -rf openvino_telemetry              # if this package is there, OpenVINO reports each import to its maker
fi
if [ -d onnxruntime ]; then
    rm -rf onnxruntime/quantization onnxruntime/tools onnxruntime/transformers onnxruntime/datasets
    rm -f onnxruntime/capi/libonnxruntime_providers_tensorrt.so # the server uses TensorRT without ONNX Runtime
fi
# the server uses S3, and STS and SSO to find its credentials, of Amazon's services
if [ -d botocore ]; then
    find botocore/data -mindepth 1 -maxdepth 1 -type d \
        ! -name s3 ! -name signin ! -name sso ! -name sso-oidc ! -name sts -exec rm -r {} +
    rm -rf botocore/data/*/*/examples-1.json*
fi
# a download from Hugging Face needs neither its fast transfer, which the server does not use, nor its command line
rm -rf hf_xet hf_xet-*.dist-info huggingface_hub/cli huggingface_hub/inference
rm -rf onnx/backend/test # data for onnx's own tests

python "$here/libraries.py" .
