#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "mpira/model/get.hpp"
#include "mpira/model/model_card.hpp"

/// What a trainer trains: GET (get.hpp), adaptors over a GET (lora.hpp), the baselines (baseline.hpp). For
/// `model` and `train` only.
namespace mpira::model {

/// What a trainer must know of a network besides its parameters.
struct NetworkFacts {
    std::string kind;  ///< "GET", "LoRA", "CNN", "MLP"
    std::int64_t features = 0;
    std::int64_t outputs = 0;
    HeadKind head = HeadKind::expression;
    /// Blocks. A parameter's factor on the learning rate under layer-wise decay d is
    /// d^(depth + 1 - depth_id); baselines have depth 0 and one depth_id, 1.
    std::int64_t depth = 0;
};

/// A network under training: forward on windows of regions, and named parameters.
///
/// Owner of its tensors, not copyable; clone() and to() make others. Threads: one call at a time. LibTorch's
/// exceptions pass through as they are.
class Network {
public:
    Network() = default;
    Network(Network const&) = delete;
    Network& operator=(Network const&) = delete;
    virtual ~Network() = default;

    [[nodiscard]] virtual NetworkFacts facts() const = 0;
    [[nodiscard]] virtual at::Device device() const = 0;

    /// `x` (B, R, features) -> (B, R, outputs). `mask` (B, R) bool, only with the masked head: those regions
    /// are replaced by the mask token after the embedding. `draws` switches input dropout and drop path on.
    /// Differentiable in x and in the trainable parameters. An accessibility head hides the last column of x.
    [[nodiscard]] virtual at::Tensor forward(at::Tensor const& x,
                                             std::optional<TrainingDraws> const& draws = {},
                                             at::Tensor const& mask = {}) const = 0;

    /// Every parameter: those that are not `trainable` belong neither in the optimiser nor in the gradient
    /// buffer nor in a checkpoint.
    [[nodiscard]] virtual std::vector<Parameter> parameters() const = 0;
    /// Those of parameters() that are trainable.
    [[nodiscard]] std::vector<Parameter> trainable_parameters() const;
    /// Sets requires_grad of the trainable parameters; frozen ones never require gradients.
    void require_grad(bool yes);

    /// Its own copy of the trainable parameters, without gradients; frozen ones are shared.
    [[nodiscard]] virtual std::unique_ptr<Network> clone() const = 0;
    /// The same network in another type or on another device (tensors are shared where nothing changes).
    [[nodiscard]] virtual std::unique_ptr<Network> to(at::Device device, at::ScalarType type) const = 0;

    /// Writes weights and card, f32, atomically; returns the content hash. The card's architecture (and
    /// baseline, adaptor, parents) are filled in here, the other facts are the caller's. A LoRA network
    /// writes its adaptor, not the base.
    virtual std::string write(std::filesystem::path const& file, ModelCard card) const = 0;
};

/// GET as a network: all parameters are trainable.
class GetNetwork : public Network {
public:
    explicit GetNetwork(Get get) : get_(std::move(get)) {}

    [[nodiscard]] Get const& get() const noexcept { return get_; }

    [[nodiscard]] NetworkFacts facts() const override;
    [[nodiscard]] at::Device device() const override { return get_.device(); }
    [[nodiscard]] at::Tensor forward(at::Tensor const& x, std::optional<TrainingDraws> const& draws = {},
                                     at::Tensor const& mask = {}) const override;
    [[nodiscard]] std::vector<Parameter> parameters() const override { return get_.parameters(); }
    [[nodiscard]] std::unique_ptr<Network> clone() const override;
    [[nodiscard]] std::unique_ptr<Network> to(at::Device device, at::ScalarType type) const override;
    std::string write(std::filesystem::path const& file, ModelCard card) const override;

private:
    Get get_;
};

/// GetNetwork on the heap.
std::unique_ptr<Network> network_of(Get get);

/// The network of a weights file whose card says GET, CNN or MLP, copied to the device. An adaptor is refused
/// by name: it needs its base (lora.hpp).
std::unique_ptr<Network> load_network(std::filesystem::path const& file, at::Device device = at::kCPU);

/// While it lives, forward passes of f32 networks on devices of that type compute their matrix products in
/// bf16 (LibTorch's autocast): weights, gradients, LayerNorm statistics and residual sums stay f32. One a
/// forward; backward runs outside. The optimiser must not step while it lives (casts of the weights are
/// kept). Nests; for the calling thread only.
class Bfloat16Forward {
public:
    explicit Bfloat16Forward(at::DeviceType device);
    ~Bfloat16Forward();
    Bfloat16Forward(Bfloat16Forward const&) = delete;
    Bfloat16Forward& operator=(Bfloat16Forward const&) = delete;

private:
    at::DeviceType device_;
    bool was_enabled_;
    at::ScalarType former_type_;
};

/// While it lives, linear layers of f32 networks on the CPU go through oneDNN, forward and later backward,
/// unless a Bfloat16Forward lives too. For the calling thread only; only where has_onednn().
class OneDnnForward {
public:
    OneDnnForward();
    ~OneDnnForward();
    OneDnnForward(OneDnnForward const&) = delete;
    OneDnnForward& operator=(OneDnnForward const&) = delete;

    [[nodiscard]] static bool is_on() noexcept;

private:
    bool before_;
};

}  // namespace mpira::model
