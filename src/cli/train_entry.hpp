#pragma once

#include <string_view>

namespace mpira::cli {

/// How `mpira --help` and `mpira jobs` present train and folds, which need what no job may see (ranks) and so
/// are in no job table.
inline constexpr std::string_view kTrainSummary = "a GET, data-parallel, from an atlas to weights";
inline constexpr std::string_view kTrainExample =
    "mpirun -n 4 mpira train --config config/quickstart/train.toml --set holdout.fold=5 "
    "--output fold5.safetensors";
inline constexpr std::string_view kFoldsSummary =
    "a sweep of training runs: folds x seeds x settings, one file of figures, predictions and weights";
inline constexpr std::string_view kFoldsExample =
    "mpirun -n 4 mpira folds --config config/quickstart/folds.toml --output sweep.h5ad";

}  // namespace mpira::cli
