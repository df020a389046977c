#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

/// What a reporter assay (lentiMPRA) measured.
namespace mpira::genome {

/// How a table is read.
struct ActivityRules {
    /// What a column is, over its name: one of element, chrom, start, end, strand, replicate, dna, rna,
    /// barcodes, activity, group.
    std::map<std::string, std::string> columns;
    /// An element's replicate with fewer barcodes is missing, where the table has barcodes.
    double least_barcodes = 10;
};

/// Activities of elements, a value a replicate: log2 of RNA over DNA.
///
/// From counts: log2((RNA s + 1) / (DNA t + 1)), s and t such that both libraries of the replicate have the
/// depth of the smaller one (depths: sums over the table's lines of that replicate). From a column of
/// activities: as they are.
///
/// A value. Threads: reading is free for all.
struct MeasuredActivity {
    struct Element {
        std::string name;   ///< empty where the table has places only
        std::string chrom;  ///< empty where the table has names
        std::int64_t start = 0;
        std::int64_t end = 0;
        char strand = '.';
        std::string group;
    };
    std::vector<Element> elements;        ///< in the order of their first lines
    std::vector<std::string> replicates;  ///< likewise
    std::vector<double> values;           ///< (elements, replicates); not a number: missing
    bool by_name = true;                  ///< else by place
    bool has_groups = false;
    std::string formula;                 ///< how values came to be, for people
    std::uint64_t too_few_barcodes = 0;  ///< lines

    [[nodiscard]] std::span<double const> of(std::size_t element) const {
        return std::span(values).subspan(element * replicates.size(), replicates.size());
    }
    /// Over the replicates that have a value; not a number without one.
    [[nodiscard]] double mean(std::size_t element) const;
};

/// Tables with a header, separated by tabs, plain or gzipped: a line an element and replicate. Several files
/// without a column `replicate` are a replicate each. Columns are found by name (element or name; replicate
/// or rep; dna or dna_count; rna or rna_count; barcodes, n_bc or n_obs_bc; activity or log2; group; chrom,
/// start, end, strand), where `rules.columns` doesn't say otherwise. Counts go before activities. Missing
/// activities: empty, NA, nan.
///
/// Origin::usage naming file and line: a column that is missing, an element twice in a replicate, what is no
/// number or a negative count, a replicate without reads, an element in two groups.
MeasuredActivity read_activity(std::span<std::filesystem::path const> files, ActivityRules const& rules);

}  // namespace mpira::genome
