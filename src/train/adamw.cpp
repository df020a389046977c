#include "mpira/train/adamw.hpp"

#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include "mpira/base/error.hpp"

namespace mpira::train {

AdamW::AdamW(std::vector<ParameterGroup> groups, AdamWOptions options)
    : groups_(std::move(groups)), options_(options) {
    for (auto const& group : groups_) {
        for (auto const& tensor : group.tensors) {
            first_.push_back(at::zeros_like(tensor));
            second_.push_back(at::zeros_like(tensor));
            if (!step_count_.defined()) step_count_ = at::zeros({}, tensor.options().dtype(at::kFloat));
        }
    }
}

void AdamW::set_steps(std::uint64_t steps) {
    steps_ = steps;
    if (step_count_.defined()) step_count_.fill_(static_cast<double>(steps));
}

void AdamW::step(double lr) {
    set_steps(steps_ + 1);  // the kernel reads the number of this step, it does not count itself
    std::size_t at = 0;
    for (auto const& group : groups_) {
        auto const count = group.tensors.size();
        if (count == 0) continue;
        // Detached views share storage with the parameters: the update is no part of a graph.
        std::vector<at::Tensor> parameters;
        std::vector<at::Tensor> gradients;
        for (auto const& tensor : group.tensors) {
            ensure(tensor.grad().defined(), "AdamW: a parameter without gradient");
            parameters.push_back(tensor.detach());
            gradients.push_back(tensor.grad());
        }
        std::vector<at::Tensor> const counts(count, step_count_);
        auto const slice = [&](std::vector<at::Tensor>& all) { return at::TensorList(all).slice(at, count); };
        at::_fused_adamw_(parameters, gradients, slice(first_), slice(second_), {}, counts,
                          lr * group.lr_scale, options_.beta1, options_.beta2, group.weight_decay,
                          options_.eps, /*amsgrad=*/false, /*maximize=*/false);
        at += count;
    }
}

bool takes_weight_decay(std::string_view name, at::Tensor const& tensor) {
    return tensor.dim() > 1 && !name.ends_with("bias") && name.find("cls") == std::string_view::npos;
}

}  // namespace mpira::train
