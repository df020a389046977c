#pragma once

#include <cstdint>

/// Kernels over rows of tokens, for what LibTorch has no single pass. C++17 and no Torch: nvcc compiles it.
///
/// All rows are contiguous. `stream`: a cudaStream_t; a call only enqueues. Each returns nullptr, or the text
/// of CUDA's error.
namespace mpira::model::gpu {

enum class Element : std::uint8_t { f32, bf16 };

/// Rows that are read as vectors of 16 bytes: which widths the kernels take.
bool takes_rows_of(Element type, std::int64_t dim) noexcept;

/// h = (z + shift - mean) / sqrt(variance + eps) over each row; z, h (rows, dim) of `type`, shift (dim) f32.
/// `scale` (rows) f32 receives 1 / sqrt(..); may be null. Sums in f32, two passes over registers.
char const* normalise(Element type, void const* z, float const* shift, std::int64_t rows, std::int64_t dim,
                      double eps, void* h, float* scale, void* stream) noexcept;

/// gradient += scale (dh - mean(dh) - h mean(dh h)): the backward of `normalise`, added to what is there.
char const* add_normalise_backward(Element type, void const* dh, void const* h, float const* scale,
                                   std::int64_t rows, std::int64_t dim, void* gradient,
                                   void* stream) noexcept;

}  // namespace mpira::model::gpu
