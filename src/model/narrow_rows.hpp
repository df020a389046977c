#pragma once

#include <cstddef>
#include <cstdint>

// Compiled for wider vectors, too, and chosen when the program starts; which one moves last bits, as the CPU
// model does.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define MPIRA_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define MPIRA_CLONES
#endif

/// bf16, the upper half of a float, on the host.
namespace mpira::model {

void widen(std::uint16_t const* narrow, std::size_t count, float* wide);

/// To the nearest, ties to even; a NaN stays one.
void narrow(float const* wide, std::size_t count, std::uint16_t* to);

/// A row of either type as f32: where it lies, or copied to `memory`.
inline float const* as_f32(float const* row, std::size_t /*count*/, float* /*memory*/) {
    return row;
}
inline float const* as_f32(std::uint16_t const* row, std::size_t count, float* memory) {
    widen(row, count, memory);
    return memory;
}

/// Where the f32 of a row that will be written are computed, and then brought there by finish_row.
inline float* f32_of(float* row, float* /*memory*/) {
    return row;
}
inline float* f32_of(std::uint16_t* /*row*/, float* memory) {
    return memory;
}
inline void finish_row(float const* /*wide*/, std::size_t /*count*/, float* /*row*/) {}
inline void finish_row(float const* wide, std::size_t count, std::uint16_t* row) {
    narrow(wide, count, row);
}

}  // namespace mpira::model
