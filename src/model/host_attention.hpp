#pragma once

#include <ATen/core/Tensor.h>

namespace mpira::model {

/// Whether this CPU has the vectors that host_attention is written for, AVX-512: with narrower ones compilers
/// keep its sums in memory, and LibTorch's attention is several times as fast.
[[nodiscard]] bool has_host_attention();

/// Whether host_attention takes these: on the host, f32 or bf16, heads of a multiple of 16 values side by
/// side.
[[nodiscard]] bool takes_host_attention(at::Tensor const& q, at::Tensor const& k, at::Tensor const& v);

/// softmax(q k^T / sqrt(d)) v without gradients: q (B, heads, Nq, d), k and v (B, heads, N, d), views of any
/// strides whose values of a head lie side by side -> (B Nq, heads d), contiguous, of their type. Sums are
/// f32 and in an order that depends on the shapes alone. By the threads of this call.
///
/// Beside LibTorch's (README.md): windows are short, so all of a head's scores stay in the cache, and no row
/// is scaled again as more keys come.
[[nodiscard]] at::Tensor host_attention(at::Tensor const& q, at::Tensor const& k, at::Tensor const& v);

}  // namespace mpira::model
