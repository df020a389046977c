#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <utility>

#include <ATen/Parallel.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

#include "mpira/base/error.hpp"
#include "mpira/model/get.hpp"
#include "mpira/model/predictor.hpp"

#include "script_model.hpp"

namespace mpira::model {

struct Predictor::State {
    State(std::filesystem::path const& model, Compute const& how, ScriptTrust const& trust);

    /// All regions: (B, R, F) of `type` -> (B, R, T).
    [[nodiscard]] at::Tensor forward(at::Tensor const& x) const {
        return script ? script->forward(x) : get.forward(x);
    }

    Compute compute;
    at::Device device;
    at::ScalarType type;  ///< of weights and activations
    /// Another program's model. `get` is then a stand-in, a token wide: its config() has the features,
    /// outputs and head, and nothing runs it.
    std::optional<ScriptModel> script;
    ModelCard card;
    Get full;  ///< f32: what Encoder is made from
    Get get;   ///< of `type`

private:
    State(std::optional<Weights> const& weights, std::filesystem::path const& model, Compute const& how,
          ScriptTrust const& trust);
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

inline void look_at(std::stop_token const& stop) {
    if (stop.stop_requested()) throw Error(Origin::stopped, "stopped between micro-batches");
}

/// Copies a device tensor into `out` (f32, same number of values).
inline void copy_out(at::Tensor const& values, std::span<float> out) {
    at::from_blob(out.data(), values.sizes(), at::kFloat).copy_(values);
}

}  // namespace mpira::model
