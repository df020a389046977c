#pragma once

#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "mpira/genome/regions.hpp"
#include "mpira/store/job.hpp"

/// What the jobs that make an atlas (features, import) write alike.
namespace mpira::jobs {

/// Parts of uns: assembly, chromosomes, names of scale sets and cell types.
nlohmann::json atlas_uns(std::string const& assembly, genome::ChromSizes const& chroms,
                         std::vector<std::string> const& scale_sets,
                         std::vector<std::string> const& cell_types);

/// Fills varm/scale, (features, scale sets), the divisors of features: for the first set the maxima over all
/// regions, for set 1 + t those over the regions that are accessible in cell type t; 1 where a feature never
/// occurs there. Tells how many regions are accessible. Returns the features that occur in no region; where
/// that is all of them, they are refused (Origin::usage) as `source` says where they came from.
std::vector<std::size_t> finish_scales(store::FinishedRows& rows, std::span<std::string const> features,
                                       std::span<std::string const> cell_types, std::string const& source);

/// "3 of 286 features occur in no region (a, b, c)", of at most five the names.
std::string describe_never(std::span<std::size_t const> never, std::span<std::string const> features);

}  // namespace mpira::jobs
