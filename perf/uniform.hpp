#pragma once

#include <cstdint>
#include <vector>

#include "mpira/base/philox.hpp"

// Features that nobody measured: time does not depend on their values.
namespace mpira::perf {

inline std::vector<float> uniform(std::int64_t count, std::uint32_t number) {
    std::vector<float> values(static_cast<std::size_t>(count));
    Draws draws(1, Stream::tests, number);
    for (auto& value : values) value = static_cast<float>(draws.uniform());
    return values;
}

}  // namespace mpira::perf
