#pragma once

#include <string>
#include <vector>

#include "report/evaluation_data.hpp"

namespace mpira::report {

/// What sequences are ranked by.
struct Score {
    std::string name;
    std::string meaning;         ///< for people
    std::vector<double> values;  ///< one a sequence; not a number where there is none
};

/// The screen's own scores, then those a screen has to beat. Their order is that of the figures; the first is
/// the headline's.
std::vector<Score> scores_of(ExportSource const& screen, AssayData const& data, EvaluateChoice const& choice);

}  // namespace mpira::report
