#pragma once

#include <cstdint>
#include <span>
#include <vector>

/// Which genes a motif contributes most to, and which gene sets they are rich in (rows 49 and 50 of
/// spec/systems.md). Pure functions; threads: free for all.
namespace mpira::jobs {

/// How many genes are a motif's top genes: the smaller of `most` and `share` of the tested genes, at least
/// one.
std::uint64_t top_count(std::uint64_t tested, std::uint64_t most, double share);

/// Indices of the `count` largest values, largest first; of equal ones, the first.
std::vector<std::uint32_t> top_indices(std::span<double const> values, std::uint64_t count);

/// The same of values above 0 only, and without the last run of equal values where `count` would cut it: the
/// order of genes is that of the genome, where neighbours share functions.
std::vector<std::uint32_t> untied_top_indices(std::span<double const> values, std::uint64_t count);

/// Of `drawn` genes taken from `background`, of which `in_set` are in a set, the chance that `overlap` or
/// more are in it: the upper tail of the hypergeometric distribution (Fisher's exact test, one-sided). By
/// Boost.Math; equal to scipy.stats.hypergeom.sf(overlap - 1, background, in_set, drawn) to 1e-10 relative.
/// 0 where it can't be (overlap > drawn or in_set). Needs drawn, in_set <= background < 2^32.
double over_representation(std::uint64_t overlap, std::uint64_t drawn, std::uint64_t in_set,
                           std::uint64_t background);

/// Benjamini and Hochberg's adjusted p-values (1995): the least false discovery rate at which a test would
/// be called. Not a number: no test; it stays and isn't counted. In place.
void benjamini_hochberg(std::span<double> p);

}  // namespace mpira::jobs
