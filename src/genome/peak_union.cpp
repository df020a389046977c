#include "mpira/genome/peak_union.hpp"

#include <algorithm>
#include <compare>
#include <map>
#include <numeric>
#include <utility>

namespace mpira::genome {
namespace {

/// A peak and the set it is of.
struct Peak {
    Region region;
    std::size_t set = 0;
    auto operator<=>(Peak const&) const = default;
};

std::string joined(std::vector<bool> const& present, std::span<PeakSet const> sets) {
    std::string names;
    for (std::size_t set = 0; set < sets.size(); ++set) {
        if (present[set]) names += (names.empty() ? "" : ",") + sets[set].name;
    }
    return names;
}

/// Adds the origins of `from` that `names` lacks.
void add_origins(std::string& names, std::string const& from) {
    auto const has = [&](std::string const& name) {
        return ("," + names + ",").find("," + name + ",") != std::string::npos;
    };
    for (std::size_t at = 0; at <= from.size();) {
        auto const end = std::min(from.find(',', at), from.size());
        auto const name = from.substr(at, end - at);
        if (!has(name)) names += "," + name;
        at = end + 1;
    }
}

std::vector<double> strengths(Bed const& bed) {
    auto values = bed.signals.empty() ? bed.scores : bed.signals;
    values.resize(bed.regions.size(), 0);
    double const sum = std::accumulate(values.begin(), values.end(), 0.0);
    if (sum > 0) {
        for (double& value : values) value /= sum;
    }
    return values;
}

/// Who overlaps whom, in sorted regions that may overlap each other.
class Overlaps {
public:
    explicit Overlaps(std::span<Region const> regions) : regions_(regions), reach_(regions.size()) {
        for (std::size_t i = 0; i < regions.size(); ++i) {
            bool const follows = i > 0 && regions[i - 1].chrom == regions[i].chrom;
            reach_[i] = follows ? std::max(reach_[i - 1], regions[i].end) : regions[i].end;
        }
    }

    /// Calls found(index) for each that shares a base with `region`.
    template <typename Found>
    void visit(Region const& region, Found&& found) const {
        auto const after = std::ranges::lower_bound(regions_, Region{region.chrom, region.end, 0});
        for (auto at = static_cast<std::size_t>(after - regions_.begin());
             at > 0 && regions_[at - 1].chrom == region.chrom && reach_[at - 1] > region.start; --at) {
            if (regions_[at - 1].end > region.start) found(at - 1);
        }
    }

private:
    std::span<Region const> regions_;
    std::vector<std::int64_t> reach_;  ///< the furthest end on the chromosome so far
};

/// Regions that share no base, as they are chosen.
class Disjoint {
public:
    /// Adds the region unless it shares a base with one that is there.
    bool add(Region const& region) {
        auto const after = end_of_.lower_bound({region.chrom, region.end});
        if (after != end_of_.begin()) {
            auto const& [place, end] = *std::prev(after);
            if (place.first == region.chrom && end > region.start) return false;
        }
        end_of_[{region.chrom, region.start}] = region.end;
        return true;
    }

private:
    std::map<std::pair<std::int32_t, std::int64_t>, std::int64_t> end_of_;  ///< by chromosome and start
};

}  // namespace

PeakUnion merged_peaks(std::span<PeakSet const> sets) {
    std::vector<Peak> peaks;
    for (std::size_t set = 0; set < sets.size(); ++set) {
        for (auto const& region : sets[set].peaks.regions) peaks.push_back({region, set});
    }
    std::ranges::sort(peaks);
    PeakUnion joint;
    for (std::size_t i = 0; i < peaks.size();) {
        auto merged = peaks[i].region;
        std::vector<bool> present(sets.size());
        for (; i < peaks.size() && peaks[i].region.chrom == merged.chrom &&
               (peaks[i].region.start < merged.end);
             ++i) {
            merged.end = std::max(merged.end, peaks[i].region.end);
            present[peaks[i].set] = true;
        }
        joint.regions.push_back(merged);
        joint.origins.push_back(joined(present, sets));
    }
    return joint;
}

PeakUnion fixed_width_peaks(std::span<PeakSet const> sets, ChromSizes const& chroms, std::int64_t width) {
    struct Candidate {
        double strength = 0;
        Peak peak;
    };
    PeakUnion joint;
    std::vector<Candidate> candidates;
    for (std::size_t set = 0; set < sets.size(); ++set) {
        auto const& bed = sets[set].peaks;
        auto const strength = strengths(bed);
        for (std::size_t i = 0; i < bed.regions.size(); ++i) {
            auto const& peak = bed.regions[i];
            auto const length = chroms.length(peak.chrom);
            if (length < width) {
                ++joint.too_short;
                continue;
            }
            bool const has_summit = !bed.summits.empty() && bed.summits[i] >= 0;
            auto const middle = has_summit ? peak.start + bed.summits[i] : peak.centre();
            auto const start = std::clamp<std::int64_t>(middle - width / 2, 0, length - width);
            candidates.push_back({strength[i], {{peak.chrom, start, start + width}, set}});
        }
    }
    std::ranges::sort(candidates, [](Candidate const& a, Candidate const& b) {
        return a.strength != b.strength ? a.strength > b.strength : a.peak < b.peak;
    });
    Disjoint disjoint;
    for (auto const& candidate : candidates) {
        if (disjoint.add(candidate.peak.region)) joint.regions.push_back(candidate.peak.region);
    }
    std::ranges::sort(joint.regions);
    // A set has a peak at a region also where a stronger one of another set stands for it.
    std::vector<std::vector<bool>> present(joint.regions.size(), std::vector<bool>(sets.size()));
    Overlaps const overlaps(joint.regions);
    for (auto const& candidate : candidates) {
        overlaps.visit(candidate.peak.region, [&](std::size_t i) { present[i][candidate.peak.set] = true; });
    }
    for (auto const& sets_here : present) joint.origins.push_back(joined(sets_here, sets));
    return joint;
}

PeakUnion joined_onto(PeakSet const& training, PeakUnion const& added, OntoReport& report) {
    auto const& old = training.peaks.regions;
    PeakUnion joint;
    joint.too_short = added.too_short;
    std::vector<std::string> origins(old.size(), training.name);
    std::vector<std::pair<Region, std::string>> regions;
    Overlaps const overlaps(old);
    for (std::size_t i = 0; i < added.regions.size(); ++i) {
        bool known = false;
        overlaps.visit(added.regions[i], [&](std::size_t at) {
            add_origins(origins[at], added.origins[i]);
            known = true;
        });
        ++(known ? report.known : report.appended);
        if (!known) regions.emplace_back(added.regions[i], added.origins[i]);
    }
    for (std::size_t i = 0; i < old.size(); ++i) regions.emplace_back(old[i], std::move(origins[i]));
    std::ranges::sort(regions, {}, &std::pair<Region, std::string>::first);
    for (auto& [region, names] : regions) {
        joint.regions.push_back(region);
        joint.origins.push_back(std::move(names));
    }
    return joint;
}

}  // namespace mpira::genome
