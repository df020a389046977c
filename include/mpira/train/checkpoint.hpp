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

/// Where the checkpoint before `file` is kept.
[[nodiscard]] std::filesystem::path previous_of(std::filesystem::path const& file);

/// Writes a checkpoint, one safetensors file: the tensors with their content hash, and `identity` and
/// `progress` as JSON in its metadata. Written aside and fsynced; then the present file becomes
/// previous_of(file) and the new one takes its name. At every moment one of the two is whole. Where
/// `present_is_whole` is false (read_checkpoint took the previous one) the present file is replaced, and the
/// previous one stays.
void write_checkpoint(std::filesystem::path const& file, NamedTensors const& tensors,
                      nlohmann::json const& identity, nlohmann::json const& progress,
                      bool present_is_whole = true);

/// What a checkpoint has given.
struct FoundCheckpoint {
    nlohmann::json progress;
    std::string content;  ///< hash of its tensors
    std::string warning;  ///< not empty: the file is torn, damaged or missing, the previous one was taken
};

/// Fills the tensors from the file and returns its progress; nothing, when there is neither it nor the
/// previous one.
///
/// Usage errors, naming the file: both broken; no checkpoint of ours; another identity (the first key that
/// differs, with both values); a tensor missing, left over, or of another shape. Nothing is filled before all
/// is checked.
[[nodiscard]] std::optional<FoundCheckpoint> read_checkpoint(std::filesystem::path const& file,
                                                             NamedTensors const& tensors,
                                                             nlohmann::json const& identity);

/// Removes the file and its previous one; what isn't there is fine.
void remove_checkpoint(std::filesystem::path const& file);

}  // namespace mpira::train
