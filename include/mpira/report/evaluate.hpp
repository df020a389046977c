#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

/// A lentimpra screen, or predictions of regions, beside what was measured (`mpira evaluate`). Serial, no
/// MPI.
namespace mpira::report {

struct EvaluateChoice {
    std::vector<std::filesystem::path> measured;  ///< genome::read_activity
    std::map<std::string, std::string> columns;   ///< what a column is, over its name
    double least_barcodes = 10;
    std::string controls;          ///< group of the assay's negative controls; empty: none, no AUPRC
    std::filesystem::path states;  ///< BED with a state in column 4 (ChromHMM); empty: none
    std::vector<std::string>
        orientations;  ///< ends of names that tell the two orientations of a sequence apart
    std::vector<std::string> quantities;  ///< of the screen; empty: the maximum over strands, or all there is
    /// Of predictions: which are compared (empty: the only cell type; all chromosomes), and a table of other
    /// scores, of which columns are summed.
    std::string cell_type;
    std::vector<std::string> chromosomes;
    std::filesystem::path scores;
    std::vector<std::string> score_columns;
    std::uint64_t resamples = 1000;
    std::uint64_t seed = 0;
    bool partial = false;
    bool overwrite = false;
};

/// Joins by name, or by place where the table has places; both orientations of one sequence (same place on
/// both strands, or names that differ in their ends) become one, averaged. Scores: each quantity with its
/// paired difference and its shuffled arm, GC content, ridge on the element's own vector fitted out of fold.
/// Figures (Pearson, Spearman, AUPRC over the 95th percentile of the controls) with 95 % intervals from
/// resampling 1 Mb loci: over all, by group and state, and for what the
/// models that read a sequence held out (obs/unseen).
///
/// Of a result of mpira predict, regions take the place of sequences, and what the atlas has there that of
/// measurements; Pearson and Spearman likewise, by state and for what the model held out.
///
/// Writes the folder `output`: sequences.tsv, figures.tsv, evaluation.json. Returns a text for people.
/// Origin::usage naming file and column for tables that don't fit, and for a screen without such an element.
std::string evaluate(std::filesystem::path const& screen, std::filesystem::path const& output,
                     EvaluateChoice const& choice);

}  // namespace mpira::report
