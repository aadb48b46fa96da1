#!/bin/sh
# Take out of the installed packages what no server loads: the image's warm-up comes after this and fails if that is not so.
#   docker/trim.sh /opt/venv/lib/python3.11/site-packages
set -eu
here=$(dirname "$(realpath "$0")")
cd "$1"
find . -type d -name tests -prune -exec rm -r {} +                                # numpy's, numba's, llvmlite's
find . -type f \( -name '*.pyi' -o -name '*.pxd' -o -name '*.h' -o -name '*.hpp' -o -name '*.a' -o -name '*.c' -o -name '*.cpp' \) \
    -delete                                                                       # for who compiles and who checks types
rm -rf numba/cuda/tests numpy/f2py numpy/distutils google/protobuf/compiler
rm -f numpy/_core/_*_tests.*.so numpy/_core/_simd.*.so                            # tried by numpy's tests alone
rm -f PIL/_avif.*.so PIL/_imagingft.*.so PIL/_imagingcms.*.so PIL/_imagingtk.*.so # AVIF, fonts, colour profiles, windows

if [ -d openvino ]; then                                                          # a CPU reads ONNX, nothing else
    rm -rf openvino/include openvino/tools/benchmark openvino/libs/cache.json
    for plugin in auto auto_batch hetero intel_gpu intel_npu; do
        rm -f "openvino/libs/libopenvino_${plugin}_plugin.so"
    done
    for reader in gguf jax paddle pytorch tensorflow tensorflow_lite; do
        rm -rf "openvino/libs/libopenvino_${reader}_frontend.so".* "openvino/frontend/$reader"
    done
    rm -f openvino/libs/libopenvino_c.so.*                                        # for programs in C
    rm -rf openvino_telemetry                       # OpenVINO tells its maker of each import where it finds this package
fi
if [ -d onnxruntime ]; then
    rm -rf onnxruntime/quantization onnxruntime/tools onnxruntime/transformers onnxruntime/datasets
fi

python "$here/libraries.py" .
