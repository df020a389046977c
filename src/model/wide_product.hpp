#pragma once

#include <ATen/core/Tensor.h>

namespace mpira::model {

/// a W^T, (n, K) and (m, K) of one type -> (n, m) f32: summed and kept in f32 where the operands are
/// narrower.
at::Tensor wide_product(at::Tensor const& a, at::Tensor const& weight);

/// z += a W^T. A z that is wider than the operands takes the product as it was summed.
void add_product(at::Tensor const& z, at::Tensor const& a, at::Tensor const& weight);

}  // namespace mpira::model
