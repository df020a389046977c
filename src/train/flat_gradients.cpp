#include "flat_gradients.hpp"

#include <cmath>
#include <memory>
#include <utility>

#include <ATen/ops/dot.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include "mpira/base/error.hpp"

namespace mpira::train {

namespace {

constexpr std::int64_t kTail = 3;  // loss, wishes to stop, failures

class CallAfter final : public torch::autograd::PostAccumulateGradHook {
public:
    explicit CallAfter(std::function<void()> call) : call_(std::move(call)) {}
    void operator()(at::Tensor const& /*parameter*/) override { call_(); }

private:
    std::function<void()> call_;
};

}  // namespace

FlatGradients::FlatGradients(std::vector<at::Tensor> parameters, std::function<void(std::size_t)> on_gradient)
    : parameters_(std::move(parameters)),
      reached_(parameters_.size(), 0),
      offsets_{0},
      on_gradient_(std::move(on_gradient)) {
    ensure(!parameters_.empty(), "a gradient engine without parameters");
    for (auto const& parameter : parameters_) {
        ensure(parameter.scalar_type() == at::kFloat && parameter.requires_grad() &&
                   parameter.device() == parameters_.front().device(),
               "a parameter to train is not float32, frozen, or on another device than the first");
        offsets_.push_back(offsets_.back() + parameter.numel());
    }
    auto const count = offsets_.back();
    all_ = at::zeros({count + kTail}, parameters_.front().options().requires_grad(false));
    gradient_ = all_.narrow(0, 0, count);
    tail_ = all_.narrow(0, count, kTail);
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        auto const& parameter = parameters_[i];
        views_.push_back(all_.narrow(0, offsets_[i], parameter.numel()).view(parameter.sizes()));
        torch::autograd::impl::set_post_acc_grad_hooks(parameter,
                                                       std::make_unique<CallAfter>([this, i] { take(i); }));
    }
}

FlatGradients::~FlatGradients() {
    for (auto const& parameter : parameters_) {
        torch::autograd::impl::set_post_acc_grad_hooks(parameter, nullptr);
    }
}

void FlatGradients::begin() {
    for (auto& parameter : parameters_) parameter.mutable_grad().reset();
    reached_.assign(reached_.size(), 0);
    tail_.zero_();
}

void FlatGradients::backward(at::Tensor const& loss) {
    tail_[0].add_(loss.detach());
    loss.backward();
}

void FlatGradients::take(std::size_t i) {
    if (reached_[i] == 0) {
        c10::NoGradGuard const no_graph;
        auto& grad = parameters_[i].mutable_grad();
        views_[i].copy_(grad);
        grad = views_[i];
        reached_[i] = 1;
    }
    on_gradient_(i);
}

void FlatGradients::complete() {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
        if (reached_[i] != 0) continue;
        views_[i].zero_();
        parameters_[i].mutable_grad() = views_[i];
        reached_[i] = 1;
    }
}

void FlatGradients::clip(double most) {
    auto const norm = std::sqrt(at::dot(gradient_, gradient_).item<double>());
    if (norm > most) gradient_.mul_(most / norm);
}

void FlatGradients::tell(StepSums const& mine) {
    tail_[1].fill_(mine.wants_stop ? 1.0 : 0.0);
    tail_[2].fill_(mine.failed ? 1.0 : 0.0);
}

StepSums FlatGradients::sums() const {
    auto const tail = tail_.to(at::kCPU);
    auto const* const values = tail.const_data_ptr<float>();
    return {
        .loss = static_cast<double>(values[0]), .wants_stop = values[1] > 0.5F, .failed = values[2] > 0.5F};
}

void append_passes(std::vector<Pass>& passes, std::span<std::uint64_t const> lengths, std::size_t first,
                   std::size_t end, std::uint64_t at_most, std::uint32_t micro_batch) {
    while (first < end) {
        std::size_t last = first + 1;
        while (last < end && last - first < at_most && lengths[last] == lengths[first]) ++last;
        passes.push_back({.first = first, .end = last, .micro_batch = micro_batch});
        first = last;
    }
}

}  // namespace mpira::train
