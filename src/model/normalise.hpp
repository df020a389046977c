#pragma once

#include <ATen/core/Tensor.h>

/// LayerNorm without its weight and bias (those belong to the linear map behind it, see Encoder) on rows
/// whose constant part is kept apart, in one pass over memory. On the host and on GPUs.
namespace mpira::model {

/// h = (z + shift - mean) / sqrt(variance + eps) over each row. z and h (rows, dim), contiguous, of one type;
/// shift (dim) f32. `scale` (rows) f32 receives 1 / sqrt(variance + eps); null where nobody asks.
void normalise(at::Tensor const& z, at::Tensor const& shift, double eps, at::Tensor const& h,
               at::Tensor const* scale);

/// gradient += scale (dh - mean(dh) - h mean(dh h)): what dh, the gradient at h, is at z. All but scale
/// (rows, dim), contiguous, of one type.
void add_normalise_backward(at::Tensor const& dh, at::Tensor const& h, at::Tensor const& scale,
                            at::Tensor const& gradient);

}  // namespace mpira::model
