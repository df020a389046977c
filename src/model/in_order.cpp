#include "mpira/model/in_order.hpp"

#include <ATen/Context.h>

namespace mpira::model {

InOrder::InOrder(bool wanted) {
    if (!wanted) return;
    auto& context = at::globalContext();
    before_ = {.deterministic = context.deterministicAlgorithms(),
               .warns = context.deterministicAlgorithmsWarnOnly(),
               .fills_memory = context.deterministicFillUninitializedMemory(),
               .takes_cudnn_attention = context.userEnabledCuDNNSDP()};
    context.setDeterministicAlgorithms(true, /*warn_only=*/false);
    // LibTorch would fill each buffer that it makes, for programs that read what nobody has written.
    context.setDeterministicFillUninitializedMemory(false);
    // LibTorch's choice on Hopper; its backward gives other bits each time (seen from 256 tokens on).
    context.setSDPUseCuDNN(false);
}

InOrder::~InOrder() {
    if (!before_) return;
    auto& context = at::globalContext();
    context.setDeterministicAlgorithms(before_->deterministic, before_->warns);
    context.setDeterministicFillUninitializedMemory(before_->fills_memory);
    context.setSDPUseCuDNN(before_->takes_cudnn_attention);
}

}  // namespace mpira::model
