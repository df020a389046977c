#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>
#include <nlohmann/json.hpp>

namespace mpira::train {

/// Named f32 tensors; on reading they are filled in place.
using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// Writes a checkpoint, one safetensors file: the tensors, and `identity` and `progress` as JSON in its
/// metadata. Atomic: written aside, fsynced, renamed; a reader sees the former checkpoint or this one.
void write_checkpoint(std::filesystem::path const& file, NamedTensors const& tensors,
                      nlohmann::json const& identity, nlohmann::json const& progress);

/// Fills the tensors from the file and returns its progress; nothing, when there is no such file.
///
/// Usage errors, naming the file: no checkpoint of ours or broken; another identity (the first key that
/// differs, with both values); a tensor missing, left over, or of another shape. Nothing is filled before all
/// is checked.
[[nodiscard]] std::optional<nlohmann::json> read_checkpoint(std::filesystem::path const& file,
                                                            NamedTensors const& tensors,
                                                            nlohmann::json const& identity);

}  // namespace mpira::train
