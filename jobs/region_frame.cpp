#include "jobs/region_frame.hpp"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "mpira/base/log.hpp"

namespace mpira::jobs {

bool names_differ(std::span<std::string const> names) {
    std::vector<std::string_view> sorted(names.begin(), names.end());
    std::ranges::sort(sorted);
    return !names.empty() && std::ranges::adjacent_find(sorted) == sorted.end();
}

store::Frame region_frame(std::span<genome::Region const> regions, std::span<std::string const> names,
                          genome::ChromSizes const& chroms) {
    bool const use_names = names_differ(names);
    if (!names.empty() && !use_names)
        log::info(
            "regions are called chrom:start-end, for names in column 4 repeat (mpira regions writes origins "
            "there)");
    store::Frame frame;
    store::StringColumn chrom{"chrom", {}, true};
    store::IntegerColumn start{"start", {}};
    store::IntegerColumn end{"end", {}};
    for (std::size_t row = 0; row < regions.size(); ++row) {
        auto const& region = regions[row];
        frame.index.push_back(use_names ? names[row] : chroms.label(region));
        chrom.values.push_back(chroms.name(region.chrom));
        start.values.push_back(region.start);
        end.values.push_back(region.end);
    }
    frame.strings = {std::move(chrom)};
    frame.integers = {std::move(start), std::move(end)};
    return frame;
}

}  // namespace mpira::jobs
