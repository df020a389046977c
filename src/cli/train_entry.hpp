#pragma once

#include <string_view>

namespace mpira::cli {

/// How `mpira --help` and `mpira jobs` present train, which is no campaign of units and so in no job table.
inline constexpr std::string_view kTrainSummary = "a GET, data-parallel, from an atlas to weights";
inline constexpr std::string_view kTrainExample =
    "mpirun -n 4 mpira train --config config/quickstart/train.toml --set holdout.fold=5 "
    "--output fold5.safetensors";

}  // namespace mpira::cli
