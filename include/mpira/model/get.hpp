#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "mpira/model/get_config.hpp"
#include "mpira/model/weights.hpp"

/// GET on LibTorch tensors (spec/get.md 1.1). For `model` and `train` only: jobs use predictor.hpp and
/// insertion.hpp, which hide Torch.
namespace mpira::model {

/// The parameters of one encoder block. D: dim, H: hidden.
struct GetBlock {
    at::Tensor norm1_weight, norm1_bias;  // (D)
    at::Tensor qkv_weight;                // (3 D, D): rows of q, k, v
    at::Tensor q_bias, v_bias;            // (D); the key has no bias
    at::Tensor proj_weight, proj_bias;    // (D, D), (D)
    at::Tensor norm2_weight, norm2_bias;  // (D)
    at::Tensor fc1_weight, fc1_bias;      // (H, D), (H)
    at::Tensor fc2_weight, fc2_bias;      // (D, H), (D)
};

/// A parameter as an optimiser or a file sees it. `tensor` shares storage and identity with the model.
struct Parameter {
    std::string name;
    at::Tensor tensor;
    bool decay = false;  ///< weight decay applies
    /// Takes part in training. Frozen parameters never require gradients.
    bool trainable = true;
    /// For layer-wise decay of the learning rate: 0 embedding, CLS and mask token, i + 1 block i, depth + 1
    /// the rest (spec/get.md 1.4).
    int depth_id = 0;
};

/// What a training forward needs besides its input. Sample i of the batch draws from (seed, step,
/// first_sample + i) by drop_inputs and drop_path_factors (model/noise.hpp), on the host: the same on any
/// device, for any number of ranks and any cut of the global batch.
struct TrainingDraws {
    std::uint64_t seed = 0;
    std::uint32_t step = 0;          ///< optimiser step
    std::uint32_t first_sample = 0;  ///< number of x's first sample in the step's global batch
    double input_dropout = 0;        ///< probability; inverted scaling; all columns (spec/default-data.md 3)
};

/// The network. Copies share tensors (as at::Tensor does); clone() makes an independent one.
class Get {
public:
    /// Fresh weights: every Linear Xavier-uniform with zero bias, LayerNorms (1, 0), q and v bias and CLS
    /// zero, mask token normal(0.02) truncated at +-2 as torch.nn.init does (spec/get.md 1.2). Drawn from
    /// Philox (seed, Stream::weights, tensor number) on the host: the same on every machine.
    Get(GetConfig const& config, std::uint64_t seed, at::Device device = at::kCPU);
    /// The weights of a file, copied to the device.
    explicit Get(Weights const& weights, at::Device device = at::kCPU);
    /// What fine-tuning starts from: the trunk shares the tensors of `base`; a head of the same kind and
    /// number of outputs does, too, another is drawn from `seed` as for fresh weights (so is a mask token
    /// that the base lacks). Throws Origin::usage naming the width in which `config` differs from the base.
    Get(GetConfig const& config, Get const& base, std::uint64_t seed);

    [[nodiscard]] GetConfig const& config() const noexcept { return config_; }
    [[nodiscard]] at::Device device() const { return embed_weight.device(); }

    /// In the order of tensors_of(config()).
    [[nodiscard]] std::vector<Parameter> parameters() const;
    /// Sets requires_grad of all parameters.
    void require_grad(bool yes);
    [[nodiscard]] Get clone() const;
    /// Same network in another type or on another device (no copy where nothing changes).
    [[nodiscard]] Get to(at::Device device, at::ScalarType type) const;

    /// `x` (B, R, features) -> (B, R, outputs). `mask` (B, R) bool, only with the masked head: masked regions
    /// are replaced by the mask token after the embedding. `draws` switches drop path and input dropout on.
    /// Differentiable in x and in the parameters. An accessibility head hides the last column of x (1).
    [[nodiscard]] at::Tensor forward(at::Tensor const& x, std::optional<TrainingDraws> const& draws = {},
                                     at::Tensor const& mask = {}) const;

    /// The pieces, for predictors that compute parts of them. z: (B, N, dim), N = 1 + R, token 0 is CLS.
    [[nodiscard]] at::Tensor hide_accessibility(at::Tensor const& x) const;  ///< x itself for other heads
    [[nodiscard]] at::Tensor embed(at::Tensor const& x) const;  ///< (.., features) -> (.., dim), no CLS
    [[nodiscard]] at::Tensor head(at::Tensor const& z) const;   ///< final norm, head and its activation

    at::Tensor embed_weight, embed_bias;  // (D, F), (D)
    at::Tensor cls_token;                 // (1, 1, D)
    at::Tensor mask_token;                // (1, 1, D); undefined but for the masked head
    std::vector<GetBlock> blocks;
    at::Tensor norm_weight, norm_bias;  // (D)
    at::Tensor head_weight, head_bias;  // (T, D), (T)

private:
    GetConfig config_;
    explicit Get(GetConfig const& config) : config_(config) {}
    std::vector<at::Tensor*> slots();
};

/// Softmax(q k^T / sqrt(head_dim)) v; q (B, heads, Nq, d), k and v (B, heads, N, d) -> (B, heads, Nq, d).
at::Tensor attention(at::Tensor const& q, at::Tensor const& k, at::Tensor const& v);

/// mean(p - y log(p + 1e-8)) over all entries: the Poisson loss of spec/get.md 1.4. Same shapes.
at::Tensor poisson_loss(at::Tensor const& prediction, at::Tensor const& target);

/// Mean squared error over the masked regions x features (spec/get.md 1.3). `prediction`, `x` (B, R, F),
/// `mask` (B, R) bool, at least one true.
at::Tensor masked_loss(at::Tensor const& prediction, at::Tensor const& x, at::Tensor const& mask);

/// d out[b, focus, output] / d x[b] for every b: (B, R, F), by one backward through the input only; one
/// output at a time, nothing accumulates between calls (the published code adds the strands up, spec/get.md
/// 3). The parameters should not require gradients, or the pass pays for theirs.
at::Tensor input_gradient(Get const& get, at::Tensor const& x, std::int64_t focus, std::int64_t output);

/// The parameters as a weights file wants them: contiguous f32 on the host, frozen ones too. `keep` owns what
/// the views point to.
std::vector<TensorView> views_of(std::vector<Parameter> const& parameters, std::vector<at::Tensor>& keep);

}  // namespace mpira::model
