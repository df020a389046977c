#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <span>
#include <vector>

#include "mpira/store/job.hpp"
#include "mpira/train/inputs.hpp"
#include "mpira/train/record.hpp"

/// Figures of a sweep that compare cell types: per gene across those it is held out in, and beside what the
/// training cell types say of the same gene.
namespace mpira::train {

/// What a figure across cell types is of: a region (row of the atlas) and an output (a strand).
struct Gene {
    std::uint32_t row = 0;
    std::uint32_t output = 0;
    auto operator<=>(Gene const&) const = default;
};

/// Of two cell types a correlation would be 1 or -1, whatever was predicted.
inline constexpr std::uint8_t kLeastCellTypes = 3;

/// Finds the genes that a series of runs holds out, and scores, in kLeastCellTypes or more cell types.
class GeneCounter {
public:
    GeneCounter(std::uint64_t rows, std::uint64_t outputs)
        : outputs_(outputs), counts_(rows * outputs, 0), wanted_(rows * outputs, false) {}

    void begin_series() { counts_.assign(counts_.size(), 0); }
    void add(Inputs const& held_out);               ///< of a run of the series
    [[nodiscard]] std::vector<Gene> genes() const;  ///< of any series so far, ascending

private:
    std::uint64_t outputs_;
    std::vector<std::uint8_t> counts_;  // up to kLeastCellTypes
    std::vector<bool> wanted_;
};

/// A gene in one cell type.
struct GeneEntry {
    Gene gene;
    float predicted = 0;
    float target = 0;
};

inline constexpr std::array<char const*, 3> kGeneFigures{"pearson", "spearman", "r2"};

struct GeneFigures {
    std::vector<std::int32_t> cell_types;  ///< (genes) entries of each
    /// [figure][gene]: over the gene's cell types; NaN where it is not defined (metrics.hpp).
    std::array<std::vector<double>, kGeneFigures.size()> values;
    /// Over the genes where the figure is defined; NaN when it is for none.
    std::array<double, kGeneFigures.size()> median{}, mean{};
};
/// `genes` ascend; entries of other genes are left out.
[[nodiscard]] GeneFigures figures_across_cell_types(std::span<Gene const> genes,
                                                    std::vector<GeneEntry> entries);

/// uns/across_cell_types: the genes, and their figures in each of `series`.
void add_gene_arrays(store::ResultLayout& layout, std::vector<Gene> const& genes, std::uint64_t series);
void write_gene_figures(store::FinishedRows& rows, std::size_t series, GeneFigures const& figures);

/// The mean target of the cell types that are trained on in the same region: (places of the test runs,
/// outputs) in their order, NaN where none of them has it.
[[nodiscard]] std::vector<float> training_means(Inputs const& inputs);

/// Two predictions of the same entries: only those count for which the first is there (no NaN).
struct SideBySide {
    Score first;
    Score second;
};
[[nodiscard]] SideBySide score_side_by_side(std::span<float const> first, std::span<float const> second,
                                            std::span<float const> target,
                                            std::span<std::uint8_t const> scored);

}  // namespace mpira::train
