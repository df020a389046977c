#include "jobs/colocalisation.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/base/mapped_text.hpp"
#include "mpira/base/text.hpp"

namespace mpira::jobs {
namespace {

struct PeakFile {
    std::string factor;
    std::filesystem::path file;
};

std::vector<PeakFile> read_list(std::filesystem::path const& file) {
    MappedText const text(file);
    std::vector<PeakFile> list;
    for (std::size_t at = 0; at < text.size(); at = text.after(at)) {
        auto const line = text.line(at);
        if (text::trim(line).empty() || line.starts_with('#')) continue;
        auto const fields = text::split(line, '\t');
        if (fields.size() != 2)
            text.refuse(
                at, fmt::format("expected a factor and its peak file, separated by a tab; {} field{} found",
                                fields.size(), fields.size() == 1 ? " was" : "s were"));
        std::string const factor(text::trim(fields[0]));
        if (std::ranges::find(list, factor, &PeakFile::factor) != list.end())
            text.refuse(
                at, fmt::format("'{}' is given twice: name experiments apart, or merge their peaks", factor));
        list.push_back({factor, file.parent_path() / std::string(text::trim(fields[1]))});
    }
    require(
        list.size() >= 2,
        fmt::format("{}: co-localisation needs the peaks of two factors or more, a line each: factor, tab, "
                    "file",
                    file.string()));
    return list;
}

/// Equal scores share a tier, so that tiers may be far from thirds.
void warn_of_ties(std::filesystem::path const& file, std::span<std::uint8_t const> tiers, bool has_signals) {
    std::array<std::size_t, kTiers> sizes{};
    for (auto const tier : tiers) ++sizes[tier];
    if (std::ranges::min(sizes) >= tiers.size() / (2 * kTiers)) return;
    log::info("{}: many peaks have equal scores: its tiers are of {} peaks{}", file.string(),
              fmt::join(sizes, ", "),
              has_signals ? "; colocalisation.score = \"signal\" may tell them apart" : "");
}

}  // namespace

std::vector<std::uint8_t> tiers_of(std::span<double const> scores) {
    std::vector<std::size_t> order(scores.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, std::ranges::greater{}, [&](std::size_t i) { return scores[i]; });
    std::vector<std::uint8_t> tiers(scores.size());
    for (std::size_t first = 0, end = 0; first < order.size(); first = end) {
        while (end < order.size() && scores[order[end]] == scores[order[first]]) ++end;
        auto const middle = first + (end - first - 1) / 2;
        for (auto place = first; place < end; ++place)
            tiers[order[place]] = static_cast<std::uint8_t>(kTiers * middle / order.size());
    }
    return tiers;
}

std::vector<TieredPeaks> read_tiered_peaks(std::filesystem::path const& file, std::string const& column,
                                           genome::ChromSizes const& chroms) {
    std::vector<TieredPeaks> all;
    for (auto const& [factor, peak_file] : read_list(file)) {
        auto bed = genome::read_bed(peak_file, chroms);
        auto const& scores = column == "signal" ? bed.signals : bed.scores;
        require(!scores.empty(),
                fmt::format("{}: no {}; tiers of peaks need them", peak_file.string(),
                            column == "signal" ? "signal values (column 7 of a narrowPeak file)"
                                               : "scores (column 5 of a BED file)"));
        require(scores.size() >= kTiers,
                fmt::format("{}: {} peaks are too few for three tiers", peak_file.string(), scores.size()));
        auto const [least, most] = std::ranges::minmax(scores);
        require(least < most,
                fmt::format("{}: all {} peaks have the same score, {}: there are no tiers to tell apart{}",
                            peak_file.string(), scores.size(), least,
                            column == "score" && !bed.signals.empty()
                                ? "; narrowPeak files also take colocalisation.score = \"signal\""
                                : ""));
        auto tiers = tiers_of(scores);
        warn_of_ties(peak_file, tiers, column == "score" && !bed.signals.empty());
        all.push_back({factor, std::move(bed.regions), std::move(tiers)});
    }
    return all;
}

std::string hash_tiered_peaks(std::filesystem::path const& file) {
    ContentHash hash;
    for (auto const& [factor, peak_file] : read_list(file)) hash.add(factor).add(hash_file(peak_file));
    return hash.hex();
}

std::vector<std::int64_t> overlaps_by_tier(std::span<TieredPeaks const> factors) {
    struct Peak {
        genome::Region region;
        std::uint32_t factor;
        std::uint8_t tier;
    };
    std::vector<Peak> peaks;
    for (std::uint32_t factor = 0; factor < factors.size(); ++factor)
        for (std::size_t i = 0; i < factors[factor].peaks.size(); ++i)
            peaks.push_back({factors[factor].peaks[i], factor, factors[factor].tiers[i]});
    std::ranges::sort(peaks, {}, [](Peak const& peak) { return std::pair(peak.region, peak.factor); });

    std::vector<std::int64_t> counts(factors.size() * factors.size() * kTiers * kTiers);
    auto const count = [&](Peak const& one, Peak const& other) {
        ++counts[((one.factor * factors.size() + other.factor) * kTiers + one.tier) * kTiers + other.tier];
    };
    std::vector<Peak> open;  // those that may overlap what comes
    for (auto const& peak : peaks) {
        std::erase_if(open, [&](Peak const& one) {
            return one.region.chrom != peak.region.chrom || one.region.end <= peak.region.start;
        });
        for (auto const& one : open) {
            if (one.factor == peak.factor) continue;
            count(one, peak);
            count(peak, one);
        }
        open.push_back(peak);
    }
    return counts;
}

std::vector<double> colocalisation_scores(std::span<std::int64_t const> overlaps, std::size_t factors) {
    ensure(overlaps.size() == factors * factors * kTiers * kTiers, "colocalisation_scores: another size");
    std::vector<double> scores(factors * factors);
    for (std::size_t pair = 0; pair < scores.size(); ++pair) {
        std::int64_t points = 0;
        for (std::size_t a = 0; a < kTiers; ++a)
            for (std::size_t b = 0; b < kTiers; ++b)
                points += kTierPoints[a] * kTierPoints[b] * overlaps[(pair * kTiers + a) * kTiers + b];
        scores[pair] = static_cast<double>(points);
    }
    return scores;
}

}  // namespace mpira::jobs
