#include "genome/scan_kernels.hpp"

#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "mpira/base/error.hpp"

#if defined(__x86_64__)
#if !defined(__clang__)
// GCC 12's own headers trip this (GCC bug 105593): _mm512_undefined_epi32 is meant to be uninitialised.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#define MPIRA_X86 1
#else
#define MPIRA_X86 0
#endif

// Pair tables of 16 entries suit the 16-byte table lookups of x86 (pshufb, within each 16-byte part) and Arm
// (tbl). Loops are instantiated for each number of pairs, so that the tables stay in registers.
namespace mpira::genome::kernels {
namespace {

/// Bit j of `mask` says that start `first` + j may hit.
std::size_t append(std::uint64_t mask, std::size_t first, std::uint16_t* candidates) {
    std::size_t count = 0;
    for (; mask != 0; mask &= mask - 1) {
        candidates[count++] =
            static_cast<std::uint16_t>(first + static_cast<std::size_t>(std::countr_zero(mask)));
    }
    return count;
}

/// The last step looked at starts past the end: drop them.
std::size_t trim(std::uint16_t const* candidates, std::size_t count, std::size_t starts) {
    while (count > 0 && candidates[count - 1] >= starts) --count;
    return count;
}

using Bytes = std::uint8_t __attribute__((vector_size(16)));

Bytes load(std::uint8_t const* from) {
    Bytes bytes;
    std::memcpy(&bytes, from, sizeof bytes);
    return bytes;
}

Bytes look_up(Bytes table, Bytes codes) {
#if defined(__clang__)
    Bytes result;
    for (int j = 0; j < 16; ++j) result[j] = table[codes[j]];
    return result;
#else
    return __builtin_shuffle(table, codes);
#endif
}

template <std::size_t Pairs>
std::size_t find_portable(LossTables const& tables, std::uint8_t const* pair_codes, std::size_t starts,
                          std::uint16_t* candidates) {
    std::size_t count = 0;
    for (std::size_t first = 0; first < starts; first += 16) {
        Bytes sum{};
        for (std::size_t k = 0; k < Pairs; ++k) {
            Bytes const more = look_up(load(tables.loss[k]), load(pair_codes + first + 2 * k));
            Bytes const added = sum + more;
            sum = added | (added < sum);  // a comparison is all ones where it holds: saturates
        }
        auto const may_hit = sum <= tables.allowed;
        std::uint64_t mask = 0;
        for (unsigned j = 0; j < 16; ++j) mask |= std::uint64_t{may_hit[j] != 0} << j;
        count += append(mask, first, candidates + count);
    }
    return trim(candidates, count, starts);
}

#if MPIRA_X86

// These two are alike on purpose. A function's target can't be a template's parameter, GCC inlines nothing
// across targets, and files of their own compiled with -mavx2 would leave AVX copies of inline functions for
// the linker to pick on machines without it.
template <std::size_t Pairs>
__attribute__((target("avx2"))) std::size_t find_avx2(LossTables const& tables,
                                                      std::uint8_t const* pair_codes, std::size_t starts,
                                                      std::uint16_t* candidates) {
    __m256i table[Pairs];
    for (std::size_t k = 0; k < Pairs; ++k) {
        __m128i half;
        std::memcpy(&half, tables.loss[k], sizeof half);
        table[k] = _mm256_broadcastsi128_si256(half);
    }
    __m256i const allowed = _mm256_set1_epi8(static_cast<char>(tables.allowed));
    std::size_t count = 0;
    for (std::size_t first = 0; first < starts; first += 32) {
        __m256i sum = _mm256_setzero_si256();
        for (std::size_t k = 0; k < Pairs; ++k) {
            __m256i codes;
            std::memcpy(&codes, pair_codes + first + 2 * k, sizeof codes);
            sum = _mm256_adds_epu8(sum, _mm256_shuffle_epi8(table[k], codes));
        }
        __m256i const may_hit = _mm256_cmpeq_epi8(_mm256_min_epu8(sum, allowed), sum);
        auto const mask = static_cast<std::uint32_t>(_mm256_movemask_epi8(may_hit));
        if (mask != 0) count += append(mask, first, candidates + count);
    }
    return trim(candidates, count, starts);
}

template <std::size_t Pairs>
__attribute__((target("avx512f,avx512bw"))) std::size_t find_avx512(LossTables const& tables,
                                                                    std::uint8_t const* pair_codes,
                                                                    std::size_t starts,
                                                                    std::uint16_t* candidates) {
    __m512i table[Pairs];
    for (std::size_t k = 0; k < Pairs; ++k) {
        __m128i quarter;
        std::memcpy(&quarter, tables.loss[k], sizeof quarter);
        table[k] = _mm512_broadcast_i32x4(quarter);
    }
    __m512i const allowed = _mm512_set1_epi8(static_cast<char>(tables.allowed));
    std::size_t count = 0;
    for (std::size_t first = 0; first < starts; first += 64) {
        __m512i sum = _mm512_setzero_si512();
        for (std::size_t k = 0; k < Pairs; ++k) {
            __m512i const codes = _mm512_loadu_si512(pair_codes + first + 2 * k);
            sum = _mm512_adds_epu8(sum, _mm512_shuffle_epi8(table[k], codes));
        }
        std::uint64_t const mask = _mm512_cmple_epu8_mask(sum, allowed);
        if (mask != 0) count += append(mask, first, candidates + count);
    }
    return trim(candidates, count, starts);
}

#endif

template <std::size_t... Pairs>
Find pick(Kernel kernel, std::size_t pairs, std::index_sequence<Pairs...>) {
    static constexpr std::array<Find, kMaxPairs> kPortable{find_portable<Pairs + 1>...};
#if MPIRA_X86
    static constexpr std::array<Find, kMaxPairs> kAvx2{find_avx2<Pairs + 1>...};
    static constexpr std::array<Find, kMaxPairs> kAvx512{find_avx512<Pairs + 1>...};
    if (kernel == Kernel::avx2) return kAvx2.at(pairs - 1);
    if (kernel == Kernel::avx512) return kAvx512.at(pairs - 1);
#endif
    ensure(kernel == Kernel::portable, "find_loop: a kernel of this machine");
    return kPortable.at(pairs - 1);
}

}  // namespace

Find find_loop(Kernel kernel, std::size_t pairs) {
    ensure(pairs >= 1 && pairs <= kMaxPairs, "find_loop: 1 to kMaxPairs pairs");
    return pick(kernel, pairs, std::make_index_sequence<kMaxPairs>());
}

}  // namespace mpira::genome::kernels

namespace mpira::genome {

bool is_available(Kernel kernel) {
    switch (kernel) {
        case Kernel::automatic:
        case Kernel::portable:
            return true;
#if MPIRA_X86
        case Kernel::avx2:
            return __builtin_cpu_supports("avx2") != 0;
        case Kernel::avx512:
            return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0;
#endif
        default:
            return false;
    }
}

std::string_view name_of(Kernel kernel) {
    switch (kernel) {
        case Kernel::automatic:
            return "automatic";
        case Kernel::portable:
            return "portable";
        case Kernel::avx2:
            return "avx2";
        case Kernel::avx512:
            return "avx512";
    }
    return "unknown";
}

}  // namespace mpira::genome
