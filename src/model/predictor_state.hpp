#pragma once

#include <string>
#include <utility>

#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

#include "mpira/base/error.hpp"
#include "mpira/model/get.hpp"
#include "mpira/model/predictor.hpp"

namespace mpira::model {

struct Predictor::State {
    State(Weights const& weights, Compute const& how);

    ModelCard card;
    Compute compute;
    at::Device device;
    at::ScalarType type;  ///< of weights and activations
    Get get;
};

/// Runs `body` as every prediction is run: no gradients, the threads asked for, LibTorch's exceptions as
/// ours.
template <typename Body>
auto in_torch(Compute const& compute, Body&& body) {
    try {
        c10::InferenceMode const inference;
        at::set_num_threads(compute.threads);
        return std::forward<Body>(body)();
    } catch (c10::Error const& error) {
        throw Error(compute.device >= 0 ? Origin::cuda : Origin::torch,
                    std::string("LibTorch: ") + error.what_without_backtrace());
    }
}

}  // namespace mpira::model
