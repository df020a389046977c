#pragma once

#include "mpira/base/philox.hpp"
#include "mpira/model/get.hpp"
#include "mpira/model/low_rank.hpp"

/// The steps of an encoder block, shared by the plain forward and the predictors that skip parts of it.
/// B: batch, N: tokens, D: dim, d: head_dim.
namespace mpira::model {

at::Tensor layer_norm(at::Tensor const& z, at::Tensor const& weight, at::Tensor const& bias, double eps);

/// (3 D): q_bias, zeros, v_bias.
at::Tensor qkv_bias(GetBlock const& block);

/// (B, N, D) -> (B, heads, N, d), a view.
at::Tensor split_heads(at::Tensor const& tokens, std::int64_t heads);

/// x W^T + bias, which may be undefined; under OneDnnForward by oneDNN.
at::Tensor linear(at::Tensor const& x, at::Tensor const& weight, at::Tensor const& bias);

/// The same, and the adaptor's part where there is one.
at::Tensor linear(at::Tensor const& x, at::Tensor const& weight, at::Tensor const& bias,
                  LowRank const* extra);

/// Attention and its output projection, without the residual: -> (B, Nq, D).
at::Tensor attend(GetBlock const& block, at::Tensor const& q, at::Tensor const& k, at::Tensor const& v,
                  BlockLowRank const* extra = nullptr);

/// fc2(gelu(fc1(norm2(z)))), without the residual; exact (erf) GELU.
at::Tensor mlp(GetBlock const& block, at::Tensor const& z, double eps, BlockLowRank const* extra = nullptr);

/// Get::forward, with adaptors where there are some.
at::Tensor forward(Get const& get, NetworkLowRank const* extra, at::Tensor const& x,
                   std::optional<TrainingDraws> const& draws, at::Tensor const& mask);

/// Input dropout of `draws` on x (B, R, F); x itself where there is none.
at::Tensor drop_inputs(at::Tensor const& x, std::optional<TrainingDraws> const& draws);

/// Values of a weights file (f32) on the device.
at::Tensor tensor_of(TensorView const& stored, at::Device device);

/// U(-bound, bound), f32 on the host.
at::Tensor uniform_tensor(at::IntArrayRef shape, double bound, Draws draws);

/// x with 1 in its last column.
at::Tensor hide_last_column(at::Tensor const& x);

}  // namespace mpira::model
