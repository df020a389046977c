#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "mpira/model/baseline_config.hpp"
#include "mpira/model/network.hpp"

namespace mpira::model {

/// A CNN or MLP (baseline_config.hpp) as a network: every parameter is trainable, drop path does nothing,
/// input dropout is drawn as for GET.
class Baseline : public Network {
public:
    /// Fresh weights as PyTorch's Conv1d and Linear draw them, weights and biases U(-1, 1) / sqrt(inputs),
    /// inputs = channels x kernel for a convolution; from Philox (seed, Stream::weights, tensor number).
    Baseline(BaselineConfig const& config, std::uint64_t seed, at::Device device = at::kCPU);
    /// The weights of a file, opened as WeightsKind::baseline, copied to the device.
    explicit Baseline(Weights const& weights, at::Device device = at::kCPU);

    [[nodiscard]] BaselineConfig const& config() const noexcept { return config_; }

    [[nodiscard]] NetworkFacts facts() const override;
    [[nodiscard]] at::Device device() const override { return tensors_.front().device(); }
    [[nodiscard]] at::Tensor forward(at::Tensor const& x, std::optional<TrainingDraws> const& draws = {},
                                     at::Tensor const& mask = {}) const override;
    [[nodiscard]] std::vector<Parameter> parameters() const override;
    [[nodiscard]] std::unique_ptr<Network> clone() const override;
    [[nodiscard]] std::unique_ptr<Network> to(at::Device device, at::ScalarType type) const override;
    std::string write(std::filesystem::path const& file, ModelCard card) const override;

private:
    Baseline(BaselineConfig config, std::vector<at::Tensor> tensors)
        : config_(std::move(config)), tensors_(std::move(tensors)) {}

    BaselineConfig config_;
    std::vector<at::Tensor> tensors_;  // tensors_of(config_)
};

}  // namespace mpira::model
