#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace mpira::jobs {

/// Fills varm/scale of an atlas, (features, scale sets): the divisors of features. Those of the first set are
/// the maxima over all regions, those of set 1 + t over the regions that are accessible in cell type t. 1
/// where a feature never occurs there. Returns the features that occur in no region.
///
/// `features`: (regions, features); `accessibility`: (regions, cell types), read where sets > 1.
std::vector<std::size_t> fill_scales(std::span<float const> features, std::span<float const> accessibility,
                                     std::size_t feature_count, std::size_t cell_types, std::size_t sets,
                                     std::span<float> scale);

/// " (a, b, ...)", at most five names; "" of none.
std::string some_of(std::span<std::size_t const> numbers, std::span<std::string const> names);

}  // namespace mpira::jobs
