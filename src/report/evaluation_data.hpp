#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mpira/genome/measured_activity.hpp"
#include "mpira/report/evaluate.hpp"

#include "report/export_source.hpp"

namespace mpira::report {

/// A sequence of the assay: its element, or the elements of its two orientations.
struct AssaySequence {
    std::vector<std::uint64_t> rows;  ///< of the screen
    double measured = 0;
    std::vector<double> replicates;  ///< not a number where missing
    std::string chrom;               ///< empty: no piece of the genome
    std::int64_t start = 0;
    std::int64_t end = 0;
    std::string group;
    std::string state;
    bool is_control = false;
    std::optional<bool> held_out;  ///< from the models that read it; nothing where nothing says so
    std::uint32_t locus = 0;       ///< 1 Mb of a chromosome; its own number without a place
    double other_score = 0;        ///< of predictions, where another program's scores stand beside them
    std::uint32_t fold = 0;        ///< of baselines: a chromosome, or a tenth of the loci
};

struct AssayData {
    std::vector<AssaySequence> sequences;
    std::vector<std::string> replicates;
    std::string formula;
    std::uint64_t measured_elements = 0;
    std::uint64_t without_row = 0;       ///< measured, not in the screen
    std::uint64_t without_measure = 0;   ///< in the screen, not measured or by too few barcodes
    std::uint64_t too_few_barcodes = 0;  ///< lines
    std::uint64_t without_score = 0;     ///< of predictions: regions that the other scores lack
    bool has_pairs = false;
    std::string folds;  ///< how folds are cut, for people
    std::size_t fold_count = 0;
};

/// Joins a screen with measurements. Errors as evaluate().
AssayData join(ExportSource const& screen, EvaluateChoice const& choice);

/// States (choice.states), what the models of `source` held out, loci and folds of sequences that have their
/// places.
void add_places(AssayData& data, ExportSource const& source, EvaluateChoice const& choice);

}  // namespace mpira::report
