#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "mpira/model/products.hpp"

namespace mpira::model {

/// Memory that is used again; `rows` is the part of it that is in use.
struct Buffer {
    at::Tensor all, rows;
    at::Tensor const& take(std::int64_t count, std::int64_t width, at::TensorOptions const& like);
};

/// One linear layer of fixed weights, x -> x W^T + b, as the matrix library wants them.
///
/// On a CPU that is LibTorch's oneDNN with weights packed once, unless Products::blas was asked for
/// (README.md). On a GPU it is always cuBLAS.
///
/// x (n, in), contiguous, of the map's type. Results hold until their buffer is used again.
class LinearMap {
public:
    LinearMap() = default;
    /// `weight` (out, in), any strides, and `bias` (out) or undefined: on the device. `type`: what is
    /// multiplied. `adds_in_f32`: added_to will be given f32.
    LinearMap(at::Tensor const& weight, at::Tensor const& bias, at::ScalarType type, Products products,
              bool adds_in_f32 = false);

    /// W of the map's type, or undefined where it is packed.
    [[nodiscard]] at::Tensor plain_weight() const { return is_packed_ ? at::Tensor() : weight_; }

    /// (n, out). What `room` held is given up first; only BLAS writes into the same memory again.
    at::Tensor const& apply(at::Tensor const& x, Buffer& room) const;
    /// gelu(x W^T + b), exact (erf).
    at::Tensor const& apply_gelu(at::Tensor const& x, Buffer& room) const;
    /// z + x W^T, (n, out): in z's memory, or in memory of its own. A z in f32 takes the product as it was
    /// summed, whatever the map's type. For a map without bias.
    [[nodiscard]] at::Tensor added_to(at::Tensor const& z, at::Tensor const& x) const;

private:
    [[nodiscard]] at::Tensor in_f32(at::Tensor const& x) const;

    at::Tensor weight_, bias_;
    at::Tensor wide_;  ///< f32, where a host's weight_ is narrower: a host has no product of two types
    bool is_packed_ = false;
};

/// a W^T, (n, K) and (m, K) of one type -> (n, m) f32: summed and kept in f32 where the operands are
/// narrower.
at::Tensor wide_product(at::Tensor const& a, at::Tensor const& weight);

}  // namespace mpira::model
