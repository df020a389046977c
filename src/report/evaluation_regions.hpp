#pragma once

#include <vector>

#include "report/evaluation_data.hpp"
#include "report/evaluation_scores.hpp"

/// Predictions of regions (mpira predict) as evaluate() takes them: what the atlas has there is what was
/// measured.
namespace mpira::report {

/// A sequence a region of choice.cell_type and choice.chromosomes. Of two outputs, NAME.plus and NAME.minus,
/// the sum is measured, taken before the logarithm: log10(10^a + 10^b - 1). Errors as evaluate().
AssayData observed_regions(ExportSource const& predictions, EvaluateChoice const& choice);

/// The prediction, summed likewise, and the sum of choice.score_columns of the table choice.scores, whose
/// values are on a linear scale: log10(sum + 1), as Enformer's tracks are compared with CAGE
/// (spec/systems.md row 31).
std::vector<Score> scores_of_regions(ExportSource const& predictions, AssayData const& data,
                                     EvaluateChoice const& choice);

}  // namespace mpira::report
