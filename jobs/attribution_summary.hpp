#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mpira/model/summary.hpp"

/// From the attributions of one row to the numbers kept of it (model/summary.hpp), and from rows to genes.
/// Pure functions; sums are taken in double.
namespace mpira::jobs {

using model::kSummaryNames, model::Summary, model::name_of, model::over_features, model::over_regions,
    model::summaries_named;

/// How scores of the regions of one window are made comparable between genes (spec/get.md 3, Q25 of
/// spec/systems.md): divided by the sum of the absolute scores over the `nearest` regions, by distance of
/// their centres to the start of transcription; of two at one distance the first counts.
struct ScoreScaling {
    std::uint64_t nearest = 100;  ///< 0: no scaling
    bool own = false;             ///< whether the region of the start itself is one of them
};
/// Scales in place. `centres`: one a region; `focus`: the start's own region. A sum of 0 leaves zeros.
void scale_scores(std::span<double> scores, std::span<std::int64_t const> centres, std::int64_t start,
                  std::size_t focus, ScoreScaling const& how);

/// How the rows of one gene become its value.
enum class GeneValue : std::uint8_t { mean, sum, max, highest_predicted };
inline std::vector<std::string> const kGeneValueNames{"mean", "sum", "max", "highest_predicted"};
GeneValue gene_value_named(std::string_view name);

/// `rows` (n, values), `predicted` (n) -> out (values). highest_predicted: the row with the largest
/// prediction, of equal ones the first.
void gene_value(GeneValue how, std::span<float const> rows, std::span<float const> predicted,
                std::span<float> out);

/// A power of two by which float16 holds `values` without overflow and with the least underflow: the largest
/// magnitude becomes at least 2^14 and below 2^15. Zeros only: 1.
float float16_scale(std::span<float const> values);

}  // namespace mpira::jobs
