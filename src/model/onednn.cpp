#include "onednn.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

#include <ATen/Context.h>
#include <ATen/core/List.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "mpira/base/error.hpp"
#include "mpira/model/products.hpp"

namespace mpira::model {
namespace {

using OptionalTensor = std::optional<at::Tensor>;
using Scalars = c10::List<std::optional<at::Scalar>>;

struct Operators {
    using Pack = at::Tensor(at::Tensor const&, std::optional<std::int64_t>);
    using Linear = at::Tensor(at::Tensor const&, at::Tensor const&, OptionalTensor const&, std::string_view,
                              Scalars, std::optional<std::string_view>);
    using LinearWith = at::Tensor(at::Tensor const&, at::Tensor const&, at::Tensor const&,
                                  OptionalTensor const&, std::string_view);
    using Has = bool();

    c10::TypedOperatorHandle<Pack> pack;
    c10::TypedOperatorHandle<Linear> linear;
    c10::TypedOperatorHandle<LinearWith> linear_with;
    c10::TypedOperatorHandle<Has> has_bf16;
};

std::optional<Operators> look() {
    if (!at::hasMKLDNN()) return std::nullopt;
    auto& known = c10::Dispatcher::singleton();
    auto const pack = known.findSchema({"mkldnn::_reorder_linear_weight", ""});
    auto const linear = known.findSchema({"mkldnn::_linear_pointwise", ""});
    auto const linear_with = known.findSchema({"mkldnn::_linear_pointwise", "binary"});
    auto const has_bf16 = known.findSchema({"mkldnn::_is_mkldnn_bf16_supported", ""});
    if (!pack || !linear || !linear_with || !has_bf16) return std::nullopt;
    return Operators{pack->typed<Operators::Pack>(), linear->typed<Operators::Linear>(),
                     linear_with->typed<Operators::LinearWith>(), has_bf16->typed<Operators::Has>()};
}

std::optional<Operators> const& found() {
    static auto const operators = look();
    return operators;
}

Operators const& operators() {
    ensure(found().has_value(), "oneDNN was asked for where has_onednn() says no");
    return *found();
}

/// Gives ordinary tensors, also in inference mode, and records nothing.
struct Ordinary {
    c10::InferenceMode outside{false};  // switches recording on
    c10::AutoGradMode unrecorded{false};
};

/// Weights, and in the backward the transposes of W and x, are read as they lie. What is kept for the
/// backward is what its gradients need: of a frozen W no input, as with at::linear.
class Linear : public torch::autograd::Function<Linear> {
public:
    static at::Tensor forward(torch::autograd::AutogradContext* context, at::Tensor const& x,
                              at::Tensor const& weight, OptionalTensor const& bias) {
        auto const rows = x.reshape({-1, x.size(-1)});
        context->save_for_backward(
            {weight.requires_grad() ? rows : at::Tensor(), x.requires_grad() ? weight : at::Tensor()});
        context->saved_data["has_bias"] = bias.has_value();
        auto shape = x.sizes().vec();
        shape.back() = weight.size(0);
        return onednn::linear(rows, weight, bias.value_or(at::Tensor())).view(shape);
    }

    static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                   torch::autograd::variable_list const& gradients) {
        auto const saved = context->get_saved_variables();
        auto const& rows = saved[0];
        auto const& weight = saved[1];
        auto const& given = gradients[0];
        auto const gradient = given.reshape({-1, given.size(-1)});
        at::Tensor at_x, at_weight, at_bias;
        if (context->needs_input_grad(0)) {
            auto shape = given.sizes().vec();
            shape.back() = weight.size(1);
            at_x = onednn::linear(gradient, weight.t(), {}).view(shape);
        }
        if (context->needs_input_grad(1)) at_weight = onednn::linear(gradient.t(), rows.t(), {});
        if (context->saved_data["has_bias"].toBool() && context->needs_input_grad(2))
            at_bias = gradient.sum(0);
        return {at_x, at_weight, at_bias};
    }
};

}  // namespace

Products products_of(std::string_view name) {
    ensure(name == "onednn" || name == "blas", "products_of: no such library");
    return name == "blas" ? Products::blas : Products::onednn;
}

bool has_onednn(Precision precision) {
    return found() && (precision == Precision::f32 || found()->has_bf16.call());
}

std::string lack_of(Products products, Precision precision) {
    if (products != Products::onednn || has_onednn(precision)) return {};
    return has_onednn()
               ? "oneDNN has no bf16 products on this CPU (lscpu: neither avx512bw nor avx_ne_convert); "
                 "use f32, or blas, which is slower than f32"
               : "this LibTorch was built without oneDNN; use blas";
}

namespace onednn {

at::Tensor pack(at::Tensor const& weight) {
    return operators().pack.call(weight, std::nullopt);
}

at::Tensor linear(at::Tensor const& x, at::Tensor const& weight, at::Tensor const& bias, Then then) {
    Ordinary const mode;
    auto const given = bias.defined() ? OptionalTensor(bias) : std::nullopt;
    return then == Then::gelu ? operators().linear.call(x, weight, given, "gelu", Scalars(), "none")
                              : operators().linear.call(x, weight, given, "none", Scalars(), "");
}

at::Tensor linear_added(at::Tensor const& z, at::Tensor const& x, at::Tensor const& weight) {
    Ordinary const mode;
    return operators().linear_with.call(x, z, weight, std::nullopt, "add");
}

at::Tensor differentiable_linear(at::Tensor const& x, at::Tensor const& weight, at::Tensor const& bias) {
    return Linear::apply(x, weight, bias.defined() ? OptionalTensor(bias) : std::nullopt);
}

}  // namespace onednn
}  // namespace mpira::model
