#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "mpira/genome/regions.hpp"

/// Where a genome lies in another one, or in itself: the chain and net files of UCSC.
namespace mpira::genome {

/// Bases [target_start, target_end) opposite [query_start, query_end), both on the forward strand, 0-based.
struct AlignedPiece {
    std::int64_t target_start = 0;
    std::int64_t target_end = 0;
    std::int64_t query_start = 0;
    std::int64_t query_end = 0;

    friend bool operator==(AlignedPiece const&, AlignedPiece const&) = default;
};

/// A chain, or a fill of a net without its gaps.
struct Alignment {
    std::int32_t target_chrom = 0;  ///< in the target's ChromSizes
    std::int32_t query_chrom = 0;   ///< in the query's
    bool reversed = false;          ///< the query runs against the target
    /// None is empty; ascending in the target, and in the query ascending or (reversed) descending. Both
    /// sides of a chain's piece are equally long; those of a net's may differ by gaps that it doesn't list.
    std::vector<AlignedPiece> pieces;
};

/// What read_alignments met, for the log.
struct AlignmentReport {
    std::int64_t alignments = 0;        ///< given to `each`
    std::int64_t other_chromosome = 0;  ///< passed over: on a chromosome that the sizes lack
    [[nodiscard]] std::string describe() const;
};

/// Calls `each` with every alignment of a chain or net file, plain or gzipped; the first line tells which it
/// is. Holds one chain, or the fills that lie in each other. The Alignment lives as long as the call.
///
/// Refused, Origin::usage, by file and line: fields that are missing or no integers, a size other than the
/// chromosome's (another assembly), positions past it, a chain whose blocks end elsewhere than its header
/// says, a gap outside of its fill; by file: no alignment at all, or none on chromosomes of both (with names
/// of both).
AlignmentReport read_alignments(std::filesystem::path const& file, ChromSizes const& target,
                                ChromSizes const& query, std::function<void(Alignment const&)> const& each);

}  // namespace mpira::genome
