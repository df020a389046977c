#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "mpira/genome/scanner.hpp"

/// The inner loop of the scanner: where may a word hit? One instance a kernel, same answers.
namespace mpira::genome::kernels {

inline constexpr std::size_t kMaxPairs = (ScanModel::kMaxWidth + 1) / 2;
inline constexpr std::size_t kVector = 64;  ///< positions of the widest kernel's step

/// Loss tables of one motif on one strand: for the letter pair 4 * first + second at word positions
/// 2k, 2k + 1, a lower bound of its loss in steps of 8 bits. A word may hit only if its sum, saturating at
/// 255, is at most `allowed`.
struct LossTables {
    alignas(16) std::uint8_t loss[kMaxPairs][16];
    std::uint32_t pairs;
    std::uint8_t allowed;
};

/// Writes the ascending starts in [0, starts) at which the word may hit and returns their number.
///
/// pair_codes[i] = 4 * base[i] + base[i + 1], readable to starts + 2 * pairs + kVector; `candidates` has room
/// for starts + kVector entries (some past `starts` may be scribbled on).
using Find = std::size_t (*)(LossTables const& tables, std::uint8_t const* pair_codes, std::size_t starts,
                             std::uint16_t* candidates);

/// The loop for a number of pairs, 1 to kMaxPairs. The kernel must be available.
Find find_loop(Kernel kernel, std::size_t pairs);

}  // namespace mpira::genome::kernels
