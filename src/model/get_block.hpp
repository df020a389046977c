#pragma once

#include "mpira/model/get.hpp"

/// The steps of an encoder block, shared by the plain forward and the predictors that skip parts of it.
/// B: batch, N: tokens, D: dim, d: head_dim.
namespace mpira::model {

at::Tensor layer_norm(at::Tensor const& z, at::Tensor const& weight, at::Tensor const& bias, double eps);

/// (3 D): q_bias, zeros, v_bias.
at::Tensor qkv_bias(GetBlock const& block);

/// (B, N, D) -> (B, heads, N, d), a view.
at::Tensor split_heads(at::Tensor const& tokens, std::int64_t heads);

/// Attention and its output projection, without the residual: -> (B, Nq, D).
at::Tensor attend(GetBlock const& block, at::Tensor const& q, at::Tensor const& k, at::Tensor const& v);

/// fc2(gelu(fc1(norm2(z)))), without the residual; exact (erf) GELU.
at::Tensor mlp(GetBlock const& block, at::Tensor const& z, double eps);

}  // namespace mpira::model
