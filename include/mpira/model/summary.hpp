#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// From the attributions of one window, (regions, features) row-major, to the numbers kept of it. Sums are
/// taken in double. No Torch in this header.
namespace mpira::model {

enum class Summary : std::uint8_t { sum, mean, mean_abs, l2 };
inline std::vector<std::string> const kSummaryNames{"sum", "mean", "mean_abs", "l2"};
std::string_view name_of(Summary summary);
/// The summaries of a list setting, in its order; throws Origin::usage on an unknown or repeated name.
std::vector<Summary> summaries_named(std::span<std::string const> names, std::string_view where);

/// One value a feature: v_g of spec/get.md 3 is the sum (signed) of gradient x input.
void over_regions(Summary summary, std::span<float const> attributions, std::span<float> by_feature);
/// One value a region: by_region.size() regions.
void over_features(Summary summary, std::span<float const> attributions, std::span<float> by_region);

}  // namespace mpira::model
