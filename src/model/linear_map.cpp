#include "linear_map.hpp"

#include <optional>
#include <string_view>

#include <ATen/Context.h>
#include <ATen/core/List.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/mm.h>
#include <c10/core/InferenceMode.h>

#include "mpira/base/error.hpp"

namespace mpira::model {
namespace {

using OptionalTensor = std::optional<at::Tensor>;

/// LibTorch's operators over oneDNN, those that its compiler emits: they are in no header.
struct OneDnn {
    using Pack = at::Tensor(at::Tensor const&, std::optional<std::int64_t>);
    using Linear = at::Tensor(at::Tensor const&, at::Tensor const&, OptionalTensor const&, std::string_view,
                              c10::List<std::optional<at::Scalar>>, std::optional<std::string_view>);
    using LinearWith = at::Tensor(at::Tensor const&, at::Tensor const&, at::Tensor const&,
                                  OptionalTensor const&, std::string_view);

    c10::TypedOperatorHandle<Pack> pack;
    c10::TypedOperatorHandle<Linear> linear;
    c10::TypedOperatorHandle<LinearWith> linear_with;

    static OneDnn const* get() {
        static std::optional<OneDnn> const found = look();
        return found ? &*found : nullptr;
    }

private:
    static std::optional<OneDnn> look() {
        if (!at::hasMKLDNN()) return std::nullopt;
        auto& known = c10::Dispatcher::singleton();
        auto const pack = known.findSchema({"mkldnn::_reorder_linear_weight", ""});
        auto const linear = known.findSchema({"mkldnn::_linear_pointwise", ""});
        auto const linear_with = known.findSchema({"mkldnn::_linear_pointwise", "binary"});
        if (!pack || !linear || !linear_with) return std::nullopt;
        return OneDnn{pack->typed<Pack>(), linear->typed<Linear>(), linear_with->typed<LinearWith>()};
    }
};

OptionalTensor given(at::Tensor const& tensor) {
    return tensor.defined() ? OptionalTensor(tensor) : std::nullopt;
}

at::Tensor packed_linear(at::Tensor const& x, at::Tensor const& weight, at::Tensor const& bias,
                         std::string_view then, std::string_view algorithm) {
    c10::InferenceMode const ordinary(false);  // a later gradient may want it
    return OneDnn::get()->linear.call(x, weight, given(bias), then, c10::List<std::optional<at::Scalar>>(),
                                      algorithm);
}

}  // namespace

bool has_onednn() {
    return OneDnn::get() != nullptr;
}

at::Tensor const& Buffer::take(std::int64_t count, std::int64_t width, at::TensorOptions const& like) {
    auto const size = count * width;
    if (!all.defined() || all.numel() < size) {
        all = rows = at::Tensor();                 // before its successor is made
        c10::InferenceMode const ordinary(false);  // a later gradient may want it
        all = at::empty({size}, like);
    }
    return rows = all.narrow(0, 0, size).view({count, width});
}

LinearMap::LinearMap(at::Tensor const& weight, at::Tensor const& bias, at::ScalarType type, Products products)
    : weight_(weight.to(type)),
      bias_(bias.defined() ? bias.to(type) : bias),
      is_packed_(products == Products::onednn && weight.is_cpu()) {
    bool const adds_in_f32 = weight.is_cpu() && type != at::kFloat && !bias_.defined();
    if (adds_in_f32) wide_ = weight_.to(at::kFloat);
    if (!is_packed_) return;
    ensure(OneDnn::get() != nullptr, "LinearMap: this LibTorch has no oneDNN");
    auto const pack = [](at::Tensor const& plain) {
        return OneDnn::get()->pack.call(plain.contiguous(), {});
    };
    weight_ = pack(weight_);
    if (wide_.defined()) wide_ = pack(wide_);
}

at::Tensor const& LinearMap::apply(at::Tensor const& x, Buffer& room) const {
    if (is_packed_) {
        room = {};
        return room.rows = packed_linear(x, weight_, bias_, "none", "");
    }
    room.take(x.size(0), weight_.size(0), weight_.options());
    if (bias_.defined()) return at::addmm_out(room.rows, bias_, x, weight_.t());
    return at::mm_out(room.rows, x, weight_.t());
}

at::Tensor const& LinearMap::apply_gelu(at::Tensor const& x, Buffer& room) const {
    if (is_packed_) {
        room = {};
        return room.rows = packed_linear(x, weight_, bias_, "gelu", "none");
    }
    apply(x, room);
    return at::gelu_out(room.rows, room.rows);
}

at::Tensor LinearMap::in_f32(at::Tensor const& x) const {
    if (!wide_.defined()) return wide_product(x, weight_);
    auto const all = x.to(at::kFloat);
    return is_packed_ ? packed_linear(all, wide_, {}, "none", "") : at::mm(all, wide_.t());
}

at::Tensor LinearMap::added_to(at::Tensor const& z, at::Tensor const& x) const {
    ensure(!bias_.defined(), "LinearMap::added_to: the map has a bias");
    if (z.scalar_type() != x.scalar_type()) return z.add(in_f32(x));
    if (!is_packed_) return z.addmm_(x, weight_.t());
    c10::InferenceMode const ordinary(false);
    return OneDnn::get()->linear_with.call(x, z, weight_, {}, "add");
}

at::Tensor wide_product(at::Tensor const& a, at::Tensor const& weight) {
    if (a.is_cuda() && a.scalar_type() != at::kFloat) return at::mm(a, weight.t(), at::kFloat);
    return at::matmul(a.to(at::kFloat), weight.to(at::kFloat).t());
}

}  // namespace mpira::model
