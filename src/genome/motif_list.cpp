#include "genome/motif_list.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

#include "genome/motif_formats.hpp"

namespace mpira::genome {
namespace {

double sum_of(std::array<double, 4> const& column) {
    return std::accumulate(column.begin(), column.end(), 0.0);
}

/// Fractions whose columns sum to 1: a matrix of ones and zeros may be the counts of a single site.
bool are_probabilities(Motif const& motif) {
    bool fractions = false;
    for (auto const& column : motif.counts) {
        if (std::abs(sum_of(column) - 1) > 0.01) return false;
        fractions |= std::ranges::any_of(column, [](double value) { return value != std::floor(value); });
    }
    return fractions;
}

}  // namespace

void MotifList::add(Motif motif, std::int64_t line) {
    if (motif.width() == 0) lines_.refuse(fmt::format("motif '{}' (line {}) has no matrix", motif.id, line));
    for (std::size_t position = 0; position < motif.width(); ++position) {
        if (!(sum_of(motif.counts[position]) > 0)) {
            lines_.refuse(fmt::format("motif '{}': position {} counts no base", motif.id, position + 1));
        }
    }
    auto const [at, is_new] = line_of_.emplace(motif.id, line);
    if (!is_new) {
        lines_.refuse(fmt::format("motif '{}' of line {} is already on line {}", motif.id, line, at->second));
    }
    if (are_probabilities(motif)) {
        for (auto& column : motif.counts) {
            double const sum = sum_of(column);
            for (double& value : column) value *= kDefaultSites / sum;
        }
    }
    motifs_.push_back(std::move(motif));
}

std::vector<Motif> MotifList::take(std::string_view file) {
    if (motifs_.empty()) fail_usage(fmt::format("{}: holds no motif", file));
    return std::move(motifs_);
}

double count_of(std::string_view word, Lines const& lines) {
    auto const value = text::to_number(word);
    if (!value || *value < 0) lines.refuse(fmt::format("'{}': a count was expected", word));
    return *value;
}

}  // namespace mpira::genome
