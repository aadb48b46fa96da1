// The offset convolution's kernel in a C++ program, for compute-sanitizer: it would take minutes to watch Python load.
//
//   nvcc -arch=native -I service/engines/tensorrt -o sanitize comparison/gpu/kernel/sanitize.cu

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "offset_conv.cu"

#define CHECK(call)                                        \
  if (cudaError_t error = (call)) {                        \
    printf("%s: %s\n", #call, cudaGetErrorString(error));  \
    exit(1);                                               \
  }

template <typename T>
T* on_gpu(const std::vector<T>& values) {
  T* pointer;
  CHECK(cudaMalloc(&pointer, values.size() * sizeof(T)));
  CHECK(cudaMemcpy(pointer, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice));
  return pointer;
}

void set_random(float& value) { value = rand() / 1e9f - 1; }
void set_random(Half& value) { value.bits = 0x3000 + rand() % 0x800; }  // 0.125 to 0.5

template <typename T, typename Kernel>
void run(Kernel kernel, Shape shape, int images, bool is_wild) {
  const int cells = shape.height * shape.width;
  std::vector<T> z(size_t(images) * shape.boxes * 9 * shape.filters * cells), bias(shape.boxes * shape.filters);
  std::vector<float> geometry(size_t(images) * shape.boxes * 4 * cells);
  std::vector<float> y(size_t(images) * shape.boxes * shape.filters * cells);
  for (T& value : z) set_random(value);
  for (T& value : bias) set_random(value);
  const float odd[] = {INFINITY, -INFINITY, NAN, 3e38f, -3e38f, 2147483648.f, -1e30f, 1e-45f};
  for (size_t i = 0; i < geometry.size(); ++i)
    geometry[i] = is_wild && i % 5 == 0 ? odd[rand() % 8] : rand() / 1e8f - 8;

  T *gpu_z = on_gpu(z), *gpu_bias = on_gpu(bias);
  float *gpu_geometry = on_gpu(geometry), *gpu_y;
  CHECK(cudaMalloc(&gpu_y, y.size() * sizeof(float)));  // left as it is: initcheck tells if a value is not written
  const dim3 grid((shape.boxes * cells + 127) / 128, (shape.filters + 3) / 4, images);
  kernel<<<grid, 128>>>(shape, gpu_z, gpu_geometry, gpu_bias, gpu_y);
  CHECK(cudaGetLastError());
  CHECK(cudaDeviceSynchronize());
  CHECK(cudaMemcpy(y.data(), gpu_y, y.size() * sizeof(float), cudaMemcpyDeviceToHost));
  for (float value : y)
    if (!std::isfinite(value)) {
      printf("a result is not finite\n");
      exit(1);
    }
  CHECK(cudaFree(gpu_z));
  CHECK(cudaFree(gpu_bias));
  CHECK(cudaFree(gpu_geometry));
  CHECK(cudaFree(gpu_y));
}

int main() {
  const Shape shapes[] = {{3, 8, 40, 40}, {3, 25, 20, 20}, {3, 5, 6, 7}, {1, 1, 1, 1}, {3, 7, 1, 130}, {2, 9, 5, 5}};
  for (Shape shape : shapes)
    for (bool is_wild : {false, true}) {
      run<float>(offset_conv_float, shape, 3, is_wild);
      run<Half>(offset_conv_half, shape, 3, is_wild);
    }
  printf("all results are finite\n");
}
