#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "mpira/model/adaptor.hpp"
#include "mpira/model/low_rank.hpp"
#include "mpira/model/network.hpp"
#include "mpira/model/weights.hpp"

namespace mpira::model {

/// A frozen GET with trainable low-rank adaptors: y = W x + b + (alpha / rank) B (A x) in every adapted
/// layer.
///
/// The two products are taken one after the other, so no gradient of a whole weight matrix is ever computed.
/// Frozen parameters do not require gradients, are not in trainable_parameters(), and are shared by clones.
class Lora : public Network {
public:
    /// Fresh adaptors over the weights `base`: A Kaiming-uniform(a = sqrt 5), that is U(-1, 1) /
    /// sqrt(inputs), from Philox (seed, Stream::weights, tensor number, 1); B zero. `config`: the adapted
    /// model's, which may have another head than the base (drawn by Get's third constructor; it is then
    /// trained in full and gets no adaptor) and another drop path.
    Lora(Weights const& base, GetConfig const& config, LoraConfig const& lora, std::uint64_t seed,
         at::Device device = at::kCPU);
    /// Adaptors of a file, over the base they belong to. Throws Origin::usage naming both files and hashes
    /// when that is another.
    Lora(Weights const& base, std::filesystem::path const& adaptor, at::Device device = at::kCPU);
    Lora(Weights const& base, Weights const& adaptor, at::Device device = at::kCPU);

    [[nodiscard]] GetConfig const& config() const noexcept { return get_.config(); }
    [[nodiscard]] AdaptorFacts const& adaptor() const noexcept { return adaptor_; }

    /// An independent GET with W + (alpha / rank) B A as its weights, the product taken in double: equal to
    /// this network up to float noise.
    [[nodiscard]] Get merged() const;

    [[nodiscard]] NetworkFacts facts() const override;
    [[nodiscard]] at::Device device() const override { return get_.device(); }
    [[nodiscard]] at::Tensor forward(at::Tensor const& x, std::optional<TrainingDraws> const& draws = {},
                                     at::Tensor const& mask = {}) const override;
    /// adaptor_tensors_of, then the rest of the base, frozen.
    [[nodiscard]] std::vector<Parameter> parameters() const override;
    [[nodiscard]] std::unique_ptr<Network> clone() const override;
    [[nodiscard]] std::unique_ptr<Network> to(at::Device device, at::ScalarType type) const override;
    /// The adaptor: its tensors, the card with the base's hash.
    std::string write(std::filesystem::path const& file, ModelCard card) const override;

private:
    Lora(Get get, AdaptorFacts adaptor, NetworkLowRank factors)
        : get_(std::move(get)), adaptor_(std::move(adaptor)), factors_(std::move(factors)) {}

    Get get_;  ///< the base's trunk, the adapted model's head
    AdaptorFacts adaptor_;
    NetworkLowRank factors_;
};

}  // namespace mpira::model
