#pragma once

#include <array>
#include <cstdint>

namespace mpira {

/// Philox4x32-10 of Salmon et al. 2011 (doi 10.1145/2063384.2063405): random numbers from a key and a counter
/// alone.
///
/// What a unit draws depends on (seed, element, insertion) and nothing else: not on the rank, the order of
/// units, or how many numbers anybody drew before. Known answers of the authors' test vectors are in
/// tests/base.
struct Philox {
    using Counter = std::array<std::uint32_t, 4>;
    using Key = std::array<std::uint32_t, 2>;

    static constexpr Counter block(Counter counter, Key key) noexcept {
        for (int round = 0; round < 10; ++round) {
            std::uint64_t const a = std::uint64_t{0xD2511F53} * counter[0];
            std::uint64_t const b = std::uint64_t{0xCD9E8D57} * counter[2];
            counter = {high(b) ^ counter[1] ^ key[0], low(b), high(a) ^ counter[3] ^ key[1], low(a)};
            key[0] += 0x9E3779B9;
            key[1] += 0xBB67AE85;
        }
        return counter;
    }

private:
    static constexpr std::uint32_t high(std::uint64_t x) noexcept {
        return static_cast<std::uint32_t>(x >> 32);
    }
    static constexpr std::uint32_t low(std::uint64_t x) noexcept { return static_cast<std::uint32_t>(x); }
};

/// What a stream of numbers is for. Part of the counter, so that no two purposes share numbers.
enum class Stream : std::uint32_t {
    sites = 1,
    shuffle = 2,
    train_order = 3,
    weights = 4,
    dropout = 5,
    data = 6,
    masks = 7,
    permutation = 8,
    sweep = 9,
    resampling = 10,
    forest = 11,
    svr = 12,
    tests = 99
};

/// A sequence of draws named by (seed, stream, a, b): key = seed, counter = (i, stream, a, b). Copyable, no
/// state but the position. `a` and `b` are 32-bit: element and shuffle number, epoch and step, and the like.
class Draws {
public:
    constexpr Draws(std::uint64_t seed, Stream stream, std::uint32_t a, std::uint32_t b = 0) noexcept
        : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
          stream_(static_cast<std::uint32_t>(stream)),
          a_(a),
          b_(b) {}

    /// The next 64 bits: two words of block i, low word first; even draws take words 0 and 1, odd ones 2
    /// and 3.
    constexpr std::uint64_t next() noexcept {
        std::uint64_t const draw = position_++;
        auto const words = Philox::block({static_cast<std::uint32_t>(draw / 2), stream_, a_, b_}, key_);
        std::size_t const at = 2 * (draw % 2);
        return words[at] | (std::uint64_t{words[at + 1]} << 32);
    }

    /// Uniform in [0, bound), bound > 0: the high 64 bits of next() * bound (bias below bound / 2^64).
    constexpr std::uint64_t below(std::uint64_t bound) noexcept {
        __extension__ using Wide = unsigned __int128;
        return static_cast<std::uint64_t>((Wide{next()} * bound) >> 64);
    }

    /// Uniform in [0, 1) with 53 bits.
    constexpr double uniform() noexcept { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

private:
    Philox::Key key_;
    std::uint32_t stream_;
    std::uint32_t a_;
    std::uint32_t b_;
    std::uint64_t position_ = 0;
};

}  // namespace mpira
