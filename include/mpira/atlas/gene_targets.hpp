#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "mpira/genome/gene_table.hpp"
#include "mpira/genome/genes.hpp"

namespace mpira::atlas {

/// How the expression of genes becomes that of regions (spec/get.md 2.1).
struct TargetRules {
    std::int64_t flank_bp = 300;  ///< bases to each side of a start that make a promoter
    bool counts = false;          ///< the table holds counts: each column is first scaled to a sum of 1e6
    /// Several genes on a region and strand: the logarithm of their sum, else the mean of their logarithms.
    bool sum_before_log = false;
    /// A region less accessible than this, on the scale of the atlas's accessibility, has expression 0.
    double least_accessibility = 0.05;
};

/// Expression of genes, log10(TPM + 1), at the regions that hold their promoters: a column for each cell type
/// and strand, "Kc.plus", "Kc.minus". 0 where no promoter is.
///
/// A gene of the table is one of the annotation's by its id, else by its name, else by an Ensembl id without
/// its version (ENSG00000141510.18); where several genes of the annotation have that name, all of them are.
/// A gene counts at every region that holds a promoter of it.
///
/// A value. Threads: reading is free for all. Kept are 4 bytes a region with a promoter and column.
class GeneTargets {
public:
    /// A gene at a region, as uns/promoters of an atlas lists them.
    struct Entry {
        std::uint32_t gene = 0;  ///< of the annotation
        std::uint32_t row = 0;
        char strand = '+';
    };

    GeneTargets() = default;  ///< no columns
    /// `accessible`: names of the atlas's cell types; where a column of the table is none of these, nothing
    /// is set to 0 and the log warns. Refused, Origin::usage: negative expression, no gene of the table in
    /// the annotation, none with a promoter in a region, a column of counts that are all 0.
    GeneTargets(genome::GeneTable const& table, std::string const& table_name, genome::Genes const& genes,
                genome::RegionColumns const& regions, std::span<std::string const> accessible,
                TargetRules const& rules);

    [[nodiscard]] std::vector<std::string> const& columns() const noexcept { return columns_; }
    /// Genes of the table at their regions, by region.
    [[nodiscard]] std::vector<Entry> const& entries() const noexcept { return entries_; }
    /// What was kept and what not, and why; for the log.
    [[nodiscard]] std::string const& describe() const noexcept { return description_; }

    /// Values of regions [first, first + out.size() / columns), (regions, columns) row-major.
    /// `accessibility`: (the same regions, accessible).
    void read_rows(std::uint64_t first, std::span<float const> accessibility, std::span<float> out) const;

private:
    std::vector<std::string> columns_;
    std::size_t accessible_ = 0;      ///< cell types of the atlas
    std::vector<std::int64_t> gate_;  ///< by cell type of the table: column of accessibility; -1: none
    float least_accessibility_ = 0;
    std::vector<Entry> entries_;
    std::vector<std::uint32_t> rows_;  ///< with a promoter, ascending
    std::vector<float> values_;        ///< (rows_, columns_)
    std::string description_;
};

}  // namespace mpira::atlas
