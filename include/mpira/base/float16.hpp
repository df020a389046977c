#pragma once

#include <bit>
#include <cstdint>

namespace mpira {

/// IEEE 754 binary16 bits of a float, rounded to nearest, ties to even; too large becomes infinity, small
/// ones subnormals. What numpy.float16(x) gives.
constexpr std::uint16_t to_float16(float value) noexcept {
    auto const bits = std::bit_cast<std::uint32_t>(value);
    auto const sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000U);
    std::uint32_t const magnitude = bits & 0x7fffffffU;
    if (magnitude > 0x7f800000U) return static_cast<std::uint16_t>(sign | 0x7e00U);   // NaN
    if (magnitude >= 0x477ff000U) return static_cast<std::uint16_t>(sign | 0x7c00U);  // rounds beyond 65504
    if (magnitude < 0x33000001U) return sign;                                         // rounds to zero
    std::uint32_t const exponent = magnitude >> 23;
    // Bits that fall off: 13 of the mantissa, more where the result is subnormal (exponent below -14).
    std::uint32_t const dropped = exponent < 113 ? 126 - exponent : 13;
    std::uint32_t const mantissa = (magnitude & 0x7fffffU) | 0x800000U;
    std::uint32_t const kept = mantissa >> dropped;
    std::uint32_t const rest = mantissa & ((1U << dropped) - 1);
    std::uint32_t const half = 1U << (dropped - 1);
    std::uint32_t const up = (rest > half || (rest == half && (kept & 1U) != 0)) ? 1 : 0;
    // The implicit bit of `kept` adds one to the exponent field of a normal number.
    std::uint32_t const base = exponent < 113 ? 0 : (exponent - 113) << 10;
    return static_cast<std::uint16_t>(sign | (base + kept + up));
}

}  // namespace mpira
