#pragma once

#include <ATen/core/Tensor.h>

/// LibTorch's operators over oneDNN, those that its compiler emits: no header has them, so they are looked up
/// by name. CPU, f32 or bf16 throughout; only where has_onednn(). Nothing here is differentiable but
/// differentiable_linear.
namespace mpira::model::onednn {

/// Then, on what the product gave.
enum class Then { nothing, gelu };  // exact (erf)

/// `weight` (out, in), contiguous, as oneDNN wants it for products of any number of rows: only for the
/// functions below.
[[nodiscard]] at::Tensor pack(at::Tensor const& weight);

/// x W^T + bias, (n, out): an ordinary tensor, also in inference mode. `weight` packed, or of any strides;
/// `bias` may be undefined.
[[nodiscard]] at::Tensor linear(at::Tensor const& x, at::Tensor const& weight, at::Tensor const& bias,
                                Then then = Then::nothing);

/// z + x W^T, of one type: an ordinary tensor.
[[nodiscard]] at::Tensor linear_added(at::Tensor const& z, at::Tensor const& x, at::Tensor const& weight);

/// at::linear for autograd, forward and backward by oneDNN. x (..., in), f32.
[[nodiscard]] at::Tensor differentiable_linear(at::Tensor const& x, at::Tensor const& weight,
                                               at::Tensor const& bias);

}  // namespace mpira::model::onednn
