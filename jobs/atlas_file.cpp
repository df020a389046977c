#include "jobs/atlas_file.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"

namespace mpira::jobs {

nlohmann::json atlas_uns(std::string const& assembly, genome::ChromSizes const& chroms,
                         std::vector<std::string> const& scale_sets,
                         std::vector<std::string> const& cell_types) {
    nlohmann::json uns;
    uns["assembly"] = assembly;
    uns["chrom_names"] = std::vector<std::string>(chroms.names().begin(), chroms.names().end());
    uns["chrom_lengths"] = std::vector<std::int64_t>(chroms.lengths().begin(), chroms.lengths().end());
    uns["scale_sets"] = scale_sets;
    if (!cell_types.empty()) uns["cell_types"] = cell_types;
    return uns;
}

std::vector<std::size_t> finish_scales(store::FinishedRows& rows, std::span<std::string const> features,
                                       std::span<std::string const> cell_types, std::string const& source) {
    auto const values = rows.array<float>("X");
    auto const types = cell_types.size();
    auto const accessibility = types > 0 ? rows.array<float>("obsm/accessibility") : std::span<float const>();
    auto const scale = rows.fixed_array<float>("varm/scale");
    auto const width = features.size();
    auto const sets = scale.size() / width;
    auto const regions = values.size() / width;
    std::vector<std::vector<float>> maxima(sets, std::vector<float>(width, 0.0F));
    for (std::size_t row = 0; row < regions; ++row) {
        auto const of_region = values.subspan(row * width, width);
        for (std::size_t set = 0; set < sets; ++set) {
            if (set > 0 && !(accessibility[row * types + set - 1] > 0)) continue;
            std::ranges::transform(maxima[set], of_region, maxima[set].begin(),
                                   [](float a, float b) { return std::max(a, b); });
        }
    }
    std::vector<std::size_t> never;
    for (std::size_t feature = 0; feature < width; ++feature) {
        for (std::size_t set = 0; set < sets; ++set)
            // A feature that never occurs is 0 everywhere, whatever divides it.
            scale[feature * sets + set] = maxima[set][feature] > 0 ? maxima[set][feature] : 1.0F;
        if (maxima[0][feature] == 0) never.push_back(feature);
    }
    if (never.size() == width)
        fail_usage(fmt::format("no region has any of the {} features: {}", width, source));
    std::vector<std::int64_t> open(types, 0);
    for (std::size_t i = 0; i < accessibility.size(); ++i) open[i % types] += accessibility[i] > 0 ? 1 : 0;
    for (std::size_t type = 0; type < types; ++type)
        log::info("{}: {} of {} regions are accessible", cell_types[type], open[type], regions);
    return never;
}

std::string describe_never(std::span<std::size_t const> never, std::span<std::string const> features) {
    constexpr std::size_t kMost = 5;
    std::vector<std::string> some;
    for (auto const feature : never.first(std::min(never.size(), kMost))) some.push_back(features[feature]);
    auto const names =
        some.empty() ? std::string()
                     : fmt::format(" ({}{})", fmt::join(some, ", "), never.size() > kMost ? ", ..." : "");
    return fmt::format("{} of {} features occur in no region{}", never.size(), features.size(), names);
}

}  // namespace mpira::jobs
