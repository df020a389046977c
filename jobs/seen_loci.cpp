#include "jobs/seen_loci.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mpira/base/error.hpp"

namespace mpira::jobs {

SeenLoci::SeenLoci(model::ModelCard const& card, std::filesystem::path const& file, std::int64_t reach_bp)
    : card_(card), reach_bp_(reach_bp) {
    try {
        for (auto const& record : card.seen) {
            bool const is_target = record.at("kind") == model::name_of(card.architecture.head);
            if (record.at("assembly") != card.assembly)
                everywhere_ = std::max(everywhere_, is_target ? Seen::targets : Seen::inputs);
            for (auto const& interval : record.at("intervals"))
                (is_target ? targets_ : inputs_)[interval.at(0).get<std::string>()].emplace_back(
                    interval.at(1).get<std::int64_t>(), interval.at(2).get<std::int64_t>());
        }
    } catch (nlohmann::json::exception const& error) {
        fail_usage(
            fmt::format("{}: the record of what was seen can't be read ({})", file.string(), error.what()));
    }
    join(inputs_);
    join(targets_);
}

void SeenLoci::join(Intervals& intervals) {
    for (auto& [chrom, all] : intervals) {
        std::ranges::sort(all);
        std::vector<std::pair<std::int64_t, std::int64_t>> apart;
        for (auto const& [start, end] : all) {
            if (apart.empty() || start > apart.back().second)
                apart.emplace_back(start, end);
            else
                apart.back().second = std::max(apart.back().second, end);
        }
        all = std::move(apart);
    }
}

bool SeenLoci::reaches(Intervals const& seen, std::string_view chrom, std::int64_t start,
                       std::int64_t end) const {
    auto const found = seen.find(chrom);
    if (found == seen.end()) return false;
    auto const& all = found->second;
    // The last one that begins before the locus ends: those before it end before it begins.
    auto const after =
        std::ranges::lower_bound(all, end + reach_bp_, {}, [](auto const& one) { return one.first; });
    return after != all.begin() && std::prev(after)->second > start - reach_bp_;
}

Seen SeenLoci::of(std::string_view chrom, std::int64_t start, std::int64_t end) const {
    if (!card_.holds_out(chrom, start, end)) return Seen::not_held_out;
    if (reaches(targets_, chrom, start, end)) return Seen::targets;
    return std::max(everywhere_, reaches(inputs_, chrom, start, end) ? Seen::inputs : Seen::nothing);
}

}  // namespace mpira::jobs
