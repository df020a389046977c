#pragma once

#include "mpira/model/get.hpp"

#include "support.hpp"

namespace mpira::model::tests {

/// Uniform in [low, high), from (Stream::tests, number).
at::Tensor uniform(at::IntArrayRef shape, std::uint32_t number, double low, double high);

}  // namespace mpira::model::tests
