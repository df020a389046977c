// One warp a row: a lane holds its part of the row in registers, so that each value is read once. Warps go
// over rows with a stride, so that what all rows share is read once a warp.
#include <algorithm>

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include "row_kernels.hpp"

namespace mpira::model::gpu {
namespace {

constexpr int kWarp = 32;
constexpr int kWarpsPerBlock = 4;
constexpr int kMostVectors = 8;  // of a lane
constexpr unsigned kAllLanes = 0xffffffffU;

/// 16 bytes of a row.
template <typename T>
struct alignas(16) Vector {
    static constexpr int kSize = 16 / static_cast<int>(sizeof(T));
    T values[kSize];
};

__device__ inline float to_float(float value) {
    return value;
}
__device__ inline float to_float(__nv_bfloat16 value) {
    return __bfloat162float(value);
}
__device__ inline void put(float& to, float value) {
    to = value;
}
__device__ inline void put(__nv_bfloat16& to, float value) {
    to = __float2bfloat16_rn(value);
}

__device__ inline float sum_of_warp(float value) {
    for (int offset = kWarp / 2; offset > 0; offset /= 2) value += __shfl_xor_sync(kAllLanes, value, offset);
    return value;
}

/// A lane's part of a row: vectors lane, lane + 32, ... of it.
template <typename T, int kVectors>
struct Part {
    static constexpr int kSize = Vector<T>::kSize;

    __device__ Part(int lane, int dim) : lane(lane), dim(dim) {}
    __device__ int place(int k) const { return (k * kWarp + lane) * kSize; }
    __device__ bool has(int k) const { return place(k) < dim; }

    __device__ void load(T const* row, Vector<T> (&raw)[kVectors]) const {
#pragma unroll
        for (int k = 0; k < kVectors; ++k)
            if (has(k)) raw[k] = *reinterpret_cast<Vector<T> const*>(row + place(k));
    }

    int lane;
    int dim;
};

template <typename T, int kVectors>
__global__ void __launch_bounds__(kWarp* kWarpsPerBlock)
    normalise_rows(T const* z, float const* shift, std::int64_t rows, int dim, float eps, T* h,
                   float* scale) {
    using P = Part<T, kVectors>;
    constexpr int kSize = P::kSize;
    P const part(threadIdx.x % kWarp, dim);
    float shifts[kVectors][kSize];
#pragma unroll
    for (int k = 0; k < kVectors; ++k)
#pragma unroll
        for (int i = 0; i < kSize; ++i) shifts[k][i] = part.has(k) ? shift[part.place(k) + i] : 0.0F;

    auto const stride = static_cast<std::int64_t>(gridDim.x) * kWarpsPerBlock;
    auto row = static_cast<std::int64_t>(blockIdx.x) * kWarpsPerBlock + threadIdx.x / kWarp;
    Vector<T> next[kVectors];
    if (row < rows) part.load(z + row * dim, next);
    auto const count = static_cast<float>(dim);
    for (; row < rows; row += stride) {
        float x[kVectors][kSize];
        float sum = 0;
#pragma unroll
        for (int k = 0; k < kVectors; ++k)
#pragma unroll
            for (int i = 0; i < kSize; ++i) {
                x[k][i] = part.has(k) ? to_float(next[k].values[i]) + shifts[k][i] : 0.0F;
                sum += x[k][i];
            }
        if (row + stride < rows) part.load(z + (row + stride) * dim, next);
        float const mean = sum_of_warp(sum) / count;
        float squares = 0;
#pragma unroll
        for (int k = 0; k < kVectors; ++k)
#pragma unroll
            for (int i = 0; i < kSize; ++i)
                if (part.has(k)) {
                    x[k][i] -= mean;
                    squares += x[k][i] * x[k][i];
                }
        float const by = rsqrtf(sum_of_warp(squares) / count + eps);
        if (scale != nullptr && part.lane == 0) scale[row] = by;
#pragma unroll
        for (int k = 0; k < kVectors; ++k)
            if (part.has(k)) {
                Vector<T> out;
#pragma unroll
                for (int i = 0; i < kSize; ++i) put(out.values[i], x[k][i] * by);
                *reinterpret_cast<Vector<T>*>(h + row * dim + part.place(k)) = out;
            }
    }
}

template <typename T, int kVectors>
__global__ void __launch_bounds__(kWarp* kWarpsPerBlock)
    add_backward_of_rows(T const* dh, T const* h, float const* scale, std::int64_t rows, int dim,
                         T* gradient) {
    using P = Part<T, kVectors>;
    constexpr int kSize = P::kSize;
    P const part(threadIdx.x % kWarp, dim);
    auto const stride = static_cast<std::int64_t>(gridDim.x) * kWarpsPerBlock;
    auto row = static_cast<std::int64_t>(blockIdx.x) * kWarpsPerBlock + threadIdx.x / kWarp;
    auto const count = static_cast<float>(dim);
    for (; row < rows; row += stride) {
        Vector<T> d[kVectors], x[kVectors], out[kVectors];
        part.load(dh + row * dim, d);
        part.load(h + row * dim, x);
        part.load(gradient + row * dim, out);
        float sum = 0;
        float along = 0;
#pragma unroll
        for (int k = 0; k < kVectors; ++k)
#pragma unroll
            for (int i = 0; i < kSize; ++i)
                if (part.has(k)) {
                    float const value = to_float(d[k].values[i]);
                    sum += value;
                    along += value * to_float(x[k].values[i]);
                }
        float const mean = sum_of_warp(sum) / count;
        along = sum_of_warp(along) / count;
        float const by = scale[row];
#pragma unroll
        for (int k = 0; k < kVectors; ++k)
            if (part.has(k)) {
#pragma unroll
                for (int i = 0; i < kSize; ++i)
                    put(out[k].values[i],
                        to_float(out[k].values[i]) +
                            by * (to_float(d[k].values[i]) - mean - to_float(x[k].values[i]) * along));
                *reinterpret_cast<Vector<T>*>(gradient + row * dim + part.place(k)) = out[k];
            }
    }
}

int vectors_of_a_lane(Element type, std::int64_t dim) {
    std::int64_t const size = type == Element::bf16 ? 8 : 4;
    return static_cast<int>((dim + size * kWarp - 1) / (size * kWarp));
}

/// Enough warps for every multiprocessor; each then goes over several rows.
unsigned blocks_for(std::int64_t rows) {
    constexpr std::int64_t kMost = 4096;
    return static_cast<unsigned>(std::min((rows + kWarpsPerBlock - 1) / kWarpsPerBlock, kMost));
}

char const* result() {
    auto const code = cudaGetLastError();
    return code == cudaSuccess ? nullptr : cudaGetErrorString(code);
}

/// Calls launch(number of vectors as a constant).
template <int kVectors, typename Launch>
void with_vectors(int vectors, Launch const& launch) {
    if constexpr (kVectors <= kMostVectors) {
        if (vectors == kVectors)
            launch(std::integral_constant<int, kVectors>{});
        else
            with_vectors<kVectors + 1>(vectors, launch);
    }
}

template <typename T>
void launch_normalise(void const* z, float const* shift, std::int64_t rows, std::int64_t dim, double eps,
                      void* h, float* scale, int vectors, cudaStream_t stream) {
    with_vectors<1>(vectors, [&](auto constant) {
        normalise_rows<T, decltype(constant)::value><<<blocks_for(rows), kWarp * kWarpsPerBlock, 0, stream>>>(
            static_cast<T const*>(z), shift, rows, static_cast<int>(dim), static_cast<float>(eps),
            static_cast<T*>(h), scale);
    });
}

template <typename T>
void launch_backward(void const* dh, void const* h, float const* scale, std::int64_t rows, std::int64_t dim,
                     void* gradient, int vectors, cudaStream_t stream) {
    with_vectors<1>(vectors, [&](auto constant) {
        add_backward_of_rows<T, decltype(constant)::value>
            <<<blocks_for(rows), kWarp * kWarpsPerBlock, 0, stream>>>(
                static_cast<T const*>(dh), static_cast<T const*>(h), scale, rows, static_cast<int>(dim),
                static_cast<T*>(gradient));
    });
}

}  // namespace

bool takes_rows_of(Element type, std::int64_t dim) noexcept {
    return dim % (type == Element::bf16 ? 8 : 4) == 0 && vectors_of_a_lane(type, dim) <= kMostVectors;
}

char const* normalise(Element type, void const* z, float const* shift, std::int64_t rows, std::int64_t dim,
                      double eps, void* h, float* scale, void* stream) noexcept {
    auto const vectors = vectors_of_a_lane(type, dim);
    auto* const queue = static_cast<cudaStream_t>(stream);
    if (type == Element::bf16)
        launch_normalise<__nv_bfloat16>(z, shift, rows, dim, eps, h, scale, vectors, queue);
    else
        launch_normalise<float>(z, shift, rows, dim, eps, h, scale, vectors, queue);
    return result();
}

char const* add_normalise_backward(Element type, void const* dh, void const* h, float const* scale,
                                   std::int64_t rows, std::int64_t dim, void* gradient,
                                   void* stream) noexcept {
    auto const vectors = vectors_of_a_lane(type, dim);
    auto* const queue = static_cast<cudaStream_t>(stream);
    if (type == Element::bf16)
        launch_backward<__nv_bfloat16>(dh, h, scale, rows, dim, gradient, vectors, queue);
    else
        launch_backward<float>(dh, h, scale, rows, dim, gradient, vectors, queue);
    return result();
}

}  // namespace mpira::model::gpu
