#include "narrow_rows.hpp"

#include <bit>

namespace mpira::model {

MPIRA_CLONES void widen(std::uint16_t const* narrow, std::size_t count, float* wide) {
#pragma omp simd
    for (std::size_t i = 0; i < count; ++i)
        wide[i] = std::bit_cast<float>(static_cast<std::uint32_t>(narrow[i]) << 16U);
}

MPIRA_CLONES void narrow(float const* wide, std::size_t count, std::uint16_t* to) {
#pragma omp simd
    for (std::size_t i = 0; i < count; ++i) {
        auto const bits = std::bit_cast<std::uint32_t>(wide[i]);
        auto const rounded = (bits + 0x7fffU + ((bits >> 16U) & 1U)) >> 16U;
        to[i] = static_cast<std::uint16_t>((bits & 0x7fffffffU) > 0x7f800000U ? 0x7fc0U : rounded);
    }
}

}  // namespace mpira::model
