#include "wide_product.hpp"

#include <ATen/ops/matmul.h>
#include <ATen/ops/mm.h>

namespace mpira::model {

at::Tensor wide_product(at::Tensor const& a, at::Tensor const& weight) {
    if (a.is_cuda() && a.scalar_type() != at::kFloat) return at::mm(a, weight.t(), at::kFloat);
    return at::matmul(a.to(at::kFloat), weight.to(at::kFloat).t());
}

void add_product(at::Tensor const& z, at::Tensor const& a, at::Tensor const& weight) {
    if (z.scalar_type() == a.scalar_type())
        z.addmm_(a, weight.t());
    else
        z.add_(wide_product(a, weight));
}

}  // namespace mpira::model
