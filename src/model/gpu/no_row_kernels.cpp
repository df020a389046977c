// A build without GPUs: no tensor is ever on one.
#include "row_kernels.hpp"

namespace mpira::model::gpu {

bool takes_rows_of(Element /*type*/, std::int64_t /*dim*/) noexcept {
    return false;
}

char const* normalise(Element /*type*/, void const* /*z*/, float const* /*shift*/, std::int64_t /*rows*/,
                      std::int64_t /*dim*/, double /*eps*/, void* /*h*/, float* /*scale*/,
                      void* /*stream*/) noexcept {
    return "this build has no GPU code";
}

char const* add_normalise_backward(Element /*type*/, void const* /*dh*/, void const* /*h*/,
                                   float const* /*scale*/, std::int64_t /*rows*/, std::int64_t /*dim*/,
                                   void* /*gradient*/, void* /*stream*/) noexcept {
    return "this build has no GPU code";
}

}  // namespace mpira::model::gpu
