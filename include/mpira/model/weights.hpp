#pragma once

#include <filesystem>
#include <span>

#include "mpira/model/model_card.hpp"
#include "mpira/model/safetensors.hpp"

namespace mpira::model {

/// A model's weights file: checked tensors (mapped, not copied) and the card.
class Weights {
public:
    /// Opens and checks `file`: a card of the kind that is needed, every tensor of the architecture with its
    /// shape in F32, no other tensor, all values finite, and the card's content hash. Throws Origin::usage
    /// naming the file and the tensor or key, or what the file holds instead.
    explicit Weights(std::filesystem::path const& file, WeightsKind needed = WeightsKind::get);

    [[nodiscard]] ModelCard const& card() const noexcept { return card_; }
    [[nodiscard]] GetConfig const& config() const noexcept { return card_.architecture; }
    [[nodiscard]] SafetensorsFile const& file() const noexcept { return file_; }

private:
    SafetensorsFile file_;
    ModelCard card_;
};

/// Writes tensors and card atomically. The tensors must be tensors_of(card), F32 (ensure); the
/// card's content hash is computed here. Returns it.
std::string write_weights(std::filesystem::path const& file, ModelCard card,
                          std::span<TensorView const> tensors);

}  // namespace mpira::model
