// The sampling step of the offset convolution (PASSD 5.1.2, eq. 4-5). models/passd/offset_conv.py says what it computes
// and why.
//
//   z         [B, A*9*O, H, W]  the projected map, channels ordered box, tap, filter; float or half
//   geometry  [B, A*4, H, W]    shift_y, shift_x, height, width of each adjusted box against its cell, in cells; float
//   bias      [A*O]             of z's type
//   y         [B, A*O, H, W]    the sum over the nine taps, plus the bias; float
//
// Tap (r_y, r_x) of the box at cell p samples z bilinearly at p + shift + r * size / 3. It reads zero if this position
// is outside the map, infinite or NaN. The grid of taps is regular, so three pairs of rows and three pairs of columns
// give all 36 corners: 24 registers. Neighbouring threads compute neighbouring cells of a row and read neighbouring
// addresses.
//
// The arithmetic also compiles for the host, where the tests run it.

#ifdef __CUDACC__
#define HOST_DEVICE __host__ __device__ __forceinline__
#else
#include <cmath>
#include <cstring>
#define HOST_DEVICE inline
#endif

struct Shape {
  int boxes, filters, height, width;
};

// A tap's position along one axis: two neighbouring cells and their weights.
struct Pair {
  int low, high;
  float low_weight, high_weight;
};

// The indices are inside the map for every position. The comparison is before the conversion to int, because a huge
// position would overflow it. The comparison is false for NaN.
HOST_DEVICE Pair neighbours(float position, int extent) {
  if (!(position > -1.0f && position < static_cast<float>(extent))) return {0, 0, 0.0f, 0.0f};
  const float floor = floorf(position);
  const float fraction = position - floor;
  const int cell = static_cast<int>(floor);  // -1 .. extent - 1
  const bool has_low = cell >= 0, has_high = cell + 1 < extent;
  return {has_low ? cell : 0, has_high ? cell + 1 : cell, has_low ? 1.0f - fraction : 0.0f, has_high ? fraction : 0.0f};
}

HOST_DEVICE float to_float(float value) { return value; }

struct Half {
  unsigned short bits;
};

HOST_DEVICE float to_float(Half value) {
  float result;
#ifdef __CUDA_ARCH__
  asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(value.bits));  // no header: NVRTC's wheel has none
#else
  const bool is_finite = (value.bits & 0x7c00u) != 0x7c00u;
  const unsigned magnitude = (value.bits & 0x7fffu) << 13 | (is_finite ? 0u : 0x7f800000u);
  memcpy(&result, &magnitude, sizeof result);
  if (is_finite) result *= 0x1p112f;  // the exponent bias of float is larger by 112
  if (value.bits & 0x8000u) result = -result;
#endif
  return result;
}

// Computes filters first .. last - 1 of one box at one cell of an image; `place` is box * H * W + row * W + column.
template <typename T>
HOST_DEVICE void offset_conv(Shape shape, int image, int place, int first, int last, const T* __restrict__ z,
                             const float* __restrict__ geometry, const T* __restrict__ bias, float* __restrict__ y) {
  const int cells = shape.height * shape.width;
  const int box = place / cells, cell = place % cells;
  const int row = cell / shape.width, column = cell % shape.width;
  // the products with this number are the only ones beyond 32 bits
  const long long boxes_before = static_cast<long long>(image) * shape.boxes + box;

  geometry += boxes_before * 4 * cells + cell;
  const float centre_y = row + geometry[0], centre_x = column + geometry[cells];
  const float height = geometry[2 * cells], width = geometry[3 * cells];
  Pair rows[3], columns[3];
#pragma unroll
  for (int step = -1; step <= 1; ++step) {
    rows[step + 1] = neighbours(centre_y + step * height / 3.0f, shape.height);
    columns[step + 1] = neighbours(centre_x + step * width / 3.0f, shape.width);
    rows[step + 1].low *= shape.width;
    rows[step + 1].high *= shape.width;
  }

  z += boxes_before * 9 * shape.filters * cells;
  y += boxes_before * shape.filters * cells + cell;
  bias += box * shape.filters;
  for (int filter = first; filter < last; ++filter) {
    float sum = 0.0f;
#pragma unroll
    for (int tap = 0; tap < 9; ++tap) {
      const T* plane = z + (tap * shape.filters + filter) * cells;
      const Pair r = rows[tap / 3], c = columns[tap % 3];
      const float upper =
          c.low_weight * to_float(plane[r.low + c.low]) + c.high_weight * to_float(plane[r.low + c.high]);
      const float lower =
          c.low_weight * to_float(plane[r.high + c.low]) + c.high_weight * to_float(plane[r.high + c.high]);
      sum += r.low_weight * upper + r.high_weight * lower;
    }
    y[filter * cells] = sum + to_float(bias[filter]);
  }
}

#ifdef __CUDACC__
// Grid: x covers the cells of all boxes; y divides the filters, so that small maps fill the GPU too; z is the image.
#define KERNEL(NAME, T)                                                                                                \
  extern "C" __global__ void __launch_bounds__(128)                                                                    \
      NAME(Shape shape, const T* __restrict__ z, const float* __restrict__ geometry, const T* __restrict__ bias,       \
           float* __restrict__ y) {                                                                                    \
    const int place = blockIdx.x * blockDim.x + threadIdx.x;                                                           \
    const int share = (shape.filters + gridDim.y - 1) / gridDim.y, first = blockIdx.y * share;                         \
    if (place >= shape.boxes * shape.height * shape.width) return;                                                     \
    offset_conv(shape, blockIdx.z, place, first, min(first + share, shape.filters), z, geometry, bias, y);             \
  }
#else
#define KERNEL(NAME, T)                                                                                                \
  extern "C" void NAME(Shape shape, int images, const T* z, const float* geometry, const T* bias, float* y) {          \
    for (int image = 0; image < images; ++image)                                                                       \
      for (int place = 0; place < shape.boxes * shape.height * shape.width; ++place)                                   \
        offset_conv(shape, image, place, 0, shape.filters, z, geometry, bias, y);                                      \
  }
#endif

KERNEL(offset_conv_float, float)
KERNEL(offset_conv_half, Half)
