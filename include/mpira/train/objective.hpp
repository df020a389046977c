#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "mpira/model/get_config.hpp"

namespace mpira::train {

/// How many regions of a window are masked in pretraining (spec/get.md 1.3): exactly floor(ratio R),
/// shuffled, or each by itself with probability ratio.
enum class MaskDraw : std::uint8_t { exact, bernoulli };
struct MaskOptions {
    double ratio = 0.5;  ///< in (0, 1]
    MaskDraw draw = MaskDraw::exact;
};

/// Windows of one length, on their way through a network.
struct Batch {
    at::Tensor inputs;   ///< (B, R, motifs + 1) f32, scaled
    at::Tensor targets;  ///< (B, R, outputs) f32; undefined in pretraining, where the inputs are the targets
    at::Tensor mask;     ///< (B, R) bool; undefined but in pretraining
};

/// Names a sample's random numbers: seed, optimiser step, number in the step's global batch.
struct SampleName {
    /// The step of masks that score a validation or test set, the same in every epoch; the sample is then the
    /// first place of the chunk.
    static constexpr std::uint32_t kScoring = 0xFFFFFFFF;
    std::uint64_t seed = 0;
    std::uint32_t step = 0;
    std::uint32_t sample = 0;
};

/// A training stage: what of a window is hidden from the network, and the loss between what it says and what
/// should be said. The rest of training is the same for all.
///
/// The loss of a step is loss_sum over the batch divided by its entries(), which any rank can count for all
/// samples without asking another; so masks with differing numbers of regions give the mean over all masked
/// entries of the global batch, for any number of ranks.
///
/// Threads: const, free for all.
class Objective {
public:
    virtual ~Objective() = default;

    /// 1 for every masked region of a window of mask.size() regions; false (and nothing written) when this
    /// stage masks nothing.
    virtual bool draw_mask(std::span<std::uint8_t> mask, SampleName name) const = 0;
    /// Entries of the loss in a window of that many regions.
    [[nodiscard]] virtual std::uint64_t entries(std::uint64_t regions, SampleName name) const = 0;
    /// Sum over the entries, a scalar; `prediction` (B, R, outputs).
    [[nodiscard]] virtual at::Tensor loss_sum(at::Tensor const& prediction, Batch const& batch) const = 0;
};

/// Expression and accessibility: Poisson, p - y log(p + 1e-8), over all regions x outputs; a TSS mask is for
/// metrics only (spec/get.md 1.4). Masked: squared error over masked regions x features against the scaled
/// input (spec/get.md 1.3); `outputs` is then the number of features.
[[nodiscard]] std::unique_ptr<Objective const> make_objective(model::HeadKind head, std::uint64_t outputs,
                                                              MaskOptions const& mask);

}  // namespace mpira::train
