#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

namespace mpira::train {

/// Parameters that share a weight decay and a factor on the learning rate.
struct ParameterGroup {
    std::vector<at::Tensor> tensors;
    double weight_decay = 0;
    double lr_scale = 1;  ///< layer-wise decay; 1: none
};

struct AdamWOptions {
    double beta1 = 0.9;
    double beta2 = 0.999;
    double eps = 1e-8;
};

/// AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101) as torch.optim.AdamW computes it, by LibTorch's fused
/// kernel. Reads the gradients from the tensors' grad(), which must be defined.
///
/// Owns the moments, not the parameters. Threads: one at a time.
class AdamW {
public:
    AdamW(std::vector<ParameterGroup> groups, AdamWOptions options);

    void step(double lr);

    /// The moments, in the order of groups and tensors: a checkpoint writes and refills them.
    [[nodiscard]] std::vector<at::Tensor> const& first_moments() const noexcept { return first_; }
    [[nodiscard]] std::vector<at::Tensor> const& second_moments() const noexcept { return second_; }
    [[nodiscard]] std::uint64_t steps() const noexcept { return steps_; }
    void set_steps(std::uint64_t steps);

private:
    std::vector<ParameterGroup> groups_;
    AdamWOptions options_;
    std::vector<at::Tensor> first_;
    std::vector<at::Tensor> second_;
    at::Tensor step_count_;  // one for all: the kernel only reads it
    std::uint64_t steps_ = 0;
};

/// Whether weight decay applies: not to tensors of one dimension, biases and the CLS token (spec/get.md 1.4).
[[nodiscard]] bool takes_weight_decay(std::string_view name, at::Tensor const& tensor);

}  // namespace mpira::train
