#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "mpira/genome/alignments.hpp"
#include "mpira/genome/regions.hpp"

/// Which parts of a genome resemble each other, so that a model which saw one has seen the other.
namespace mpira::genome {

/// A genome cut into bins of equal length, numbered through in the order of its chromosomes; the last bin of
/// a chromosome is what is left.
class Bins {
public:
    /// A usage error where there would be more than 2^31 of them.
    Bins(ChromSizes const& chroms, std::int64_t bin_bp);

    [[nodiscard]] std::uint32_t size() const noexcept { return first_.back(); }
    [[nodiscard]] std::int64_t bin_bp() const noexcept { return bin_bp_; }
    [[nodiscard]] std::uint32_t at(std::int32_t chrom, std::int64_t position) const;
    [[nodiscard]] Region region(std::uint32_t bin) const;

private:
    std::vector<std::int64_t> lengths_;
    std::vector<std::uint32_t> first_;  ///< bin of each chromosome; and the end
    std::int64_t bin_bp_;
};

/// Bins of one genome, or of two, that are joined by alignments, directly or over others.
struct Homology {
    std::vector<std::uint32_t> target;  ///< the component of each bin
    std::vector<std::uint32_t> query;   ///< the same of a second genome; empty: there is only one
    std::uint32_t components = 0;  ///< numbered from 0 by their first bin, the target's before the query's
    std::uint32_t largest = 0;     ///< bins of the largest one
    std::uint64_t joined = 0;      ///< pairs of bins that an alignment joins, of all alignments
    AlignmentReport report;
    [[nodiscard]] std::string describe() const;
};

/// Two bins are joined when one alignment has `least_bp` or more of its bases in both. Where a net's piece is
/// longer on one side, a base is where the piece drawn evenly has it, and the shorter side is counted.
/// `query` null: the alignments are of the target with itself. Usage errors as read_alignments.
[[nodiscard]] Homology homologous_bins(std::filesystem::path const& alignments, ChromSizes const& target,
                                       ChromSizes const* query, std::int64_t bin_bp, std::int64_t least_bp);

}  // namespace mpira::genome
