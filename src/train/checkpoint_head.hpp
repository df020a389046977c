#pragma once

#include <filesystem>

#include <nlohmann/json.hpp>

#include "mpira/model/safetensors.hpp"

namespace mpira::train {

inline constexpr char const* kHeadKey = "mpira.checkpoint";
inline constexpr int kHeadFormat = 2;

/// "identity" and "progress" of a checkpoint, its tensors unread. A usage error when it has none.
nlohmann::json checkpoint_head(model::SafetensorsFile const& stored);

/// As in checkpoint.hpp, without its Torch.
std::filesystem::path previous_of(std::filesystem::path const& file);

}  // namespace mpira::train
