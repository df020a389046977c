#include "mpira/base/float16.hpp"

#include <bit>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace mpira {
namespace {

float back(std::uint16_t half) {
    int const exponent = (half >> 10) & 31;
    float const mantissa = static_cast<float>(half & 1023);
    float const magnitude = exponent == 0    ? std::ldexp(mantissa, -24)
                            : exponent == 31 ? std::numeric_limits<float>::infinity()
                                             : std::ldexp(1024 + mantissa, exponent - 25);
    return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

TEST(Float16, EveryHalfComesBack) {
    for (std::uint32_t half = 0; half < 0x10000; ++half) {
        if (((half >> 10) & 31) == 31 && (half & 1023) != 0) continue;  // NaNs
        auto const bits = static_cast<std::uint16_t>(half);
        ASSERT_EQ(to_float16(back(bits)), half);
        ASSERT_EQ(from_float16(bits), back(bits));
        ASSERT_EQ(std::signbit(from_float16(bits)), std::signbit(back(bits)));
    }
    EXPECT_TRUE(std::isnan(from_float16(0x7e00)));
}

TEST(Float16, TheNearestIsTaken) {
    for (std::uint16_t half = 0; half < 0x7bff; ++half) {
        float const low = back(half);
        float const high = back(static_cast<std::uint16_t>(half + 1));
        float const middle = low + (high - low) / 2;
        ASSERT_EQ(to_float16(middle), half % 2 == 0 ? half : half + 1) << "ties go to even";
        ASSERT_EQ(to_float16(std::nextafter(middle, 0.0F)), half);
        ASSERT_EQ(to_float16(std::nextafter(middle, 1e9F)), half + 1);
    }
    EXPECT_EQ(to_float16(65520.0F), 0x7c00);
    EXPECT_EQ(to_float16(std::nanf("")), 0x7e00);
}

TEST(BFloat16, TheNearestIsTaken) {
    for (std::uint32_t bits = 0; bits < 0x7f80; bits += 7) {
        auto const low = static_cast<std::uint16_t>(bits);
        auto const high = static_cast<std::uint16_t>(bits + 1);
        ASSERT_EQ(to_bfloat16(from_bfloat16(low)), low);
        float const middle = std::bit_cast<float>((bits << 16) | 0x8000U);
        ASSERT_EQ(to_bfloat16(middle), bits % 2 == 0 ? low : high) << "ties go to even";
        ASSERT_EQ(to_bfloat16(std::nextafter(middle, 0.0F)), low);
        ASSERT_EQ(to_bfloat16(-std::nextafter(middle, std::numeric_limits<float>::infinity())),
                  0x8000 | high);
    }
    EXPECT_EQ(to_bfloat16(1e-45F), 0);
    EXPECT_EQ(to_bfloat16(-std::numeric_limits<float>::max()), 0xff80);
    EXPECT_TRUE(std::isnan(from_bfloat16(to_bfloat16(std::nanf("")))));
}

}  // namespace
}  // namespace mpira
