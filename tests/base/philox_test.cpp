#include "mpira/base/philox.hpp"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace mpira {
namespace {

// Known answers for philox4x32-10 as published with the paper's test vectors.
TEST(Philox, KnownAnswers) {
    EXPECT_EQ(Philox::block({0, 0, 0, 0}, {0, 0}),
              (Philox::Counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
    EXPECT_EQ(Philox::block({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
              (Philox::Counter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
    EXPECT_EQ(Philox::block({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
              (Philox::Counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Draws, DependOnTheirNameAlone) {
    Draws first(7, Stream::sites, 3, 4);
    for (int i = 0; i < 10; ++i) first.next();
    Draws again(7, Stream::sites, 3, 4);
    Draws other(7, Stream::shuffle, 3, 4);
    Draws fresh(7, Stream::sites, 3, 4);
    EXPECT_EQ(again.next(), fresh.next());
    EXPECT_NE(again.next(), other.next());
}

TEST(Draws, BelowIsUniform) {
    constexpr std::uint64_t kBound = 7;
    constexpr int kDraws = 70000;
    std::vector<int> seen(kBound);
    Draws draws(1, Stream::tests, 0);
    for (int i = 0; i < kDraws; ++i) ++seen.at(draws.below(kBound));
    double chi2 = 0;
    for (int const n : seen) chi2 += std::pow(n - 10000.0, 2) / 10000.0;
    EXPECT_LT(chi2, 22.5);  // 0.1 % point of chi-square with 6 degrees of freedom
}

}  // namespace
}  // namespace mpira
