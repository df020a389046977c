#include "linear_map.hpp"

#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/mm.h>
#include <c10/core/InferenceMode.h>

#include "mpira/base/error.hpp"

#include "onednn.hpp"

namespace mpira::model {

at::Tensor const& Buffer::take(std::int64_t count, std::int64_t width, at::TensorOptions const& like) {
    auto const size = count * width;
    if (!all.defined() || all.numel() < size) {
        all = rows = at::Tensor();                 // before its successor is made
        c10::InferenceMode const ordinary(false);  // a later gradient may want it
        all = at::empty({size}, like);
    }
    return rows = all.narrow(0, 0, size).view({count, width});
}

LinearMap::LinearMap(at::Tensor const& weight, at::Tensor const& bias, at::ScalarType type, Products products,
                     bool adds_in_f32)
    : weight_(weight.to(type)),
      bias_(bias.defined() ? bias.to(type) : bias),
      is_packed_(products == Products::onednn && weight.is_cpu()) {
    if (adds_in_f32 && weight.is_cpu() && type != at::kFloat) wide_ = weight_.to(at::kFloat);
    if (!is_packed_) return;
    weight_ = onednn::pack(weight_.contiguous());
    if (wide_.defined()) wide_ = onednn::pack(wide_.contiguous());
}

at::Tensor const& LinearMap::apply(at::Tensor const& x, Buffer& room) const {
    if (is_packed_) {
        room = {};
        return room.rows = onednn::linear(x, weight_, bias_);
    }
    room.take(x.size(0), weight_.size(0), weight_.options());
    if (bias_.defined()) return at::addmm_out(room.rows, bias_, x, weight_.t());
    return at::mm_out(room.rows, x, weight_.t());
}

at::Tensor const& LinearMap::apply_gelu(at::Tensor const& x, Buffer& room) const {
    if (is_packed_) {
        room = {};
        return room.rows = onednn::linear(x, weight_, bias_, onednn::Then::gelu);
    }
    apply(x, room);
    return at::gelu_out(room.rows, room.rows);
}

at::Tensor LinearMap::in_f32(at::Tensor const& x) const {
    ensure(!is_packed_ || wide_.defined(), "LinearMap::added_to: f32 was not asked for");
    if (!wide_.defined()) return wide_product(x, weight_);
    auto const all = x.to(at::kFloat);
    return is_packed_ ? onednn::linear(all, wide_, {}) : at::mm(all, wide_.t());
}

at::Tensor LinearMap::added_to(at::Tensor const& z, at::Tensor const& x) const {
    ensure(!bias_.defined(), "LinearMap::added_to: the map has a bias");
    if (z.scalar_type() != x.scalar_type()) return z.add(in_f32(x));
    if (!is_packed_) return z.addmm_(x, weight_.t());
    return onednn::linear_added(z, x, weight_);
}

at::Tensor wide_product(at::Tensor const& a, at::Tensor const& weight) {
    if (a.is_cuda() && a.scalar_type() != at::kFloat) return at::mm(a, weight.t(), at::kFloat);
    return at::matmul(a.to(at::kFloat), weight.to(at::kFloat).t());
}

}  // namespace mpira::model
