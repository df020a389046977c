#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "mpira/train/holdout.hpp"

/// A fold as a file: ChromBPNet's JSON of chromosomes, and what ours has besides.
///
///     {
///       "train": ["chr2L", "chr2R:0-4999500"],       whole chromosomes, as ChromBPNet has them, or intervals
///       "valid": ["chr3R"],                          (0-based, half-open)
///       "test": ["chr2R:5000000-6000000"],
///       "margin_bp": 500,                            none: 0
///       "cell_types": {"train": ["A"], "valid": ["B"], "test": ["C"]},
///       "design": {...}                              how it was made; for people
///     }
///
/// A region is in a set by its centre, and only what is in `train` is trained on (holdout.hpp). Without the
/// first three, cell types alone decide.
namespace mpira::train {

/// Usage errors name the file and key: no JSON, unknown keys (with the nearest), values of another type,
/// texts that are no interval, sets that overlap, a fold without a test or training set.
[[nodiscard]] Holdout read_fold_file(std::filesystem::path const& file);

/// What read_fold_file reads, a line a key. `design`: an object, or null. Usage errors: names that aren't
/// UTF-8.
[[nodiscard]] std::string fold_file_text(Holdout const& fold, nlohmann::json const& design);

/// A text as the name of a file: what is no letter or digit of ASCII, nor any of . - _, becomes _.
[[nodiscard]] std::string as_file_name(std::string text);

}  // namespace mpira::train
