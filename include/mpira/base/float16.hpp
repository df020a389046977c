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

/// The value of IEEE 754 binary16 bits, exactly. What float(numpy.float16) gives.
constexpr float from_float16(std::uint16_t bits) noexcept {
    std::uint32_t const sign = (bits & 0x8000U) << 16;
    std::uint32_t const exponent = (bits >> 10) & 0x1fU;
    std::uint32_t const mantissa = bits & 0x3ffU;
    if (exponent == 0x1fU) return std::bit_cast<float>(sign | 0x7f800000U | (mantissa << 13));
    if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
    float const magnitude = static_cast<float>(mantissa) * 0x1p-24F;  // subnormals and zero
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
}

/// bfloat16 bits of a float, the upper half of its own, rounded to nearest, ties to even. What PyTorch gives.
constexpr std::uint16_t to_bfloat16(float value) noexcept {
    auto const bits = std::bit_cast<std::uint32_t>(value);
    if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<std::uint16_t>((bits >> 16) | 0x40U);  // NaN
    return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

/// The value of bfloat16 bits, exactly.
constexpr float from_bfloat16(std::uint16_t bits) noexcept {
    return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

}  // namespace mpira
