#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "mpira/genome/regions.hpp"

namespace mpira::genome {

/// Peaks of one sample or cell type.
struct PeakSet {
    std::string name;  ///< unique among those that are joined, without ','
    Bed peaks;
};

/// Regions of several sets together.
struct PeakUnion {
    std::vector<Region> regions;       ///< strictly increasing
    std::vector<std::string> origins;  ///< names of the sets with a peak there, each once, ','-separated
    std::int64_t too_short = 0;        ///< peaks left out: their chromosome is shorter than the width
};

/// Peaks that share a base become one region, from the first start to the last end (spec/systems.md row 4).
PeakUnion merged_peaks(std::span<PeakSet const> sets);

/// Regions of one width that share no base: each peak becomes `width` bp around its summit, where its file
/// has one, else its centre, moved inward at the ends of the chromosome; then the strongest peak stays, those
/// that overlap it go, and so on down. Strength is the signal (narrowPeak column 7), else the score (column
/// 5), as a share of the sum over its set, so that deep samples don't crowd out shallow ones; ties go to the
/// earlier region, then the earlier set.
PeakUnion fixed_width_peaks(std::span<PeakSet const> sets, ChromSizes const& chroms, std::int64_t width);

/// What joined_onto did with the new regions.
struct OntoReport {
    std::int64_t known = 0;     ///< shared a base with the training set and stand for its region
    std::int64_t appended = 0;  ///< shared none, taken as they are
};

/// New peaks onto the regions that a model was trained on (spec/systems.md row 11): where they share a base
/// the training coordinates stay and get the origins of both, peaks never seen are appended unchanged.
PeakUnion joined_onto(PeakSet const& training, PeakUnion const& added, OntoReport& report);

}  // namespace mpira::genome
