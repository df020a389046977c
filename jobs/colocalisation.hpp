#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "mpira/genome/regions.hpp"

/// How strongly the binding sites of two factors lie together, from scored ChIP-seq peaks (row 56 of
/// spec/systems.md). Pure functions; threads: free for all.
namespace mpira::jobs {

inline constexpr std::size_t kTiers = 3;  ///< strong, middling, weak
/// Points of a peak of each tier; two overlapping peaks get the product, 9 for two strong ones.
inline constexpr std::array<std::int64_t, kTiers> kTierPoints{3, 2, 1};

/// Peaks of one factor and the tier of each: 0, the strongest third.
struct TieredPeaks {
    std::string factor;
    std::vector<genome::Region> peaks;  ///< ascending
    std::vector<std::uint8_t> tiers;
};

/// Thirds by score, highest first; of n peaks, place r is in tier 3 r / n. Equal scores share the tier of
/// their middle place, wherever they lie.
std::vector<std::uint8_t> tiers_of(std::span<double const> scores);

/// What `file` lists: TSV of factor and peak file (relative to the TSV; BED with scores or narrowPeak),
/// scores from column 5 ("score") or narrowPeak's column 7 ("signal"). Refused, naming file or line: a factor
/// given twice, fewer than two factors, peaks without those scores, fewer than three peaks, scores that are
/// all the same; and what genome::read_bed refuses.
std::vector<TieredPeaks> read_tiered_peaks(std::filesystem::path const& file, std::string const& column,
                                           genome::ChromSizes const& chroms);

/// Names the contents of all files that read_tiered_peaks would read.
std::string hash_tiered_peaks(std::filesystem::path const& file);

/// Overlapping pairs of peaks, by tiers: count[((a * n + b) * 3 + tier of a's) * 3 + tier of b's] for factors
/// a and b of n. Peaks that share a base overlap. Diagonal (a = b): 0.
std::vector<std::int64_t> overlaps_by_tier(std::span<TieredPeaks const> factors);

/// (n, n): the sum over overlapping pairs of peaks of the products of their points.
std::vector<double> colocalisation_scores(std::span<std::int64_t const> overlaps, std::size_t factors);

}  // namespace mpira::jobs
