#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "mpira/model/summary.hpp"

namespace mpira::model {

/// `summary` of attributions over one dimension, in double: what over_regions and over_features are on spans.
at::Tensor summarise(Summary summary, at::Tensor const& attributions, std::int64_t dimension);

}  // namespace mpira::model
