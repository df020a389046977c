#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mpira/base/philox.hpp"

namespace mpira::genome {

/// A random sequence with exactly the dinucleotide counts of `sequence` (hence its letters, its first and its
/// last), drawn uniformly among all such sequences.
///
/// Altschul and Erickson 1985 (doi 10.1093/oxfordjournals.molbev.a040370): an Euler tour of the graph whose
/// edges are the dinucleotides. The tree of last edges is drawn by Wilson's loop-erased random walk (1996,
/// doi 10.1145/237814.237880) and not by rejection, which takes for ever on long homopolymers. Every byte is
/// a letter of its own, so an N stays an N and "AN" is a dinucleotide like others. Sequences shorter than 4
/// come back unchanged: there is nothing to choose.
std::string dinucleotide_shuffle(std::string_view sequence, Draws& draws);

/// Shuffle `k` of element `element`: draws from Draws(seed, Stream::shuffle, element, k) alone.
std::string dinucleotide_shuffle(std::string_view sequence, std::uint64_t seed, std::uint32_t element,
                                 std::uint32_t k);

}  // namespace mpira::genome
