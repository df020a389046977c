#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

#include <ATen/Parallel.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/model/get.hpp"
#include "mpira/model/in_order.hpp"
#include "mpira/model/predictor.hpp"

#include "script_model.hpp"

namespace mpira::model {

struct Predictor::State {
    State(std::filesystem::path const& model, Compute const& how, ScriptTrust const& trust);

    /// All regions: (B, R, F) of `type` -> (B, R, T).
    [[nodiscard]] at::Tensor forward(at::Tensor const& x) const {
        InOrder const order(in_order());
        return script ? script->forward(x) : get.forward(x);
    }
    /// Whether kernels must add in a fixed order.
    [[nodiscard]] bool in_order() const { return device.is_cuda() && !compute.any_order; }

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

/// What to do about what LibTorch says, to be put behind it; mostly nothing.
inline std::string advice_on(std::string_view message, std::int64_t micro_batch) {
    if (message.find("does not have a deterministic implementation") != std::string_view::npos)
        return "; set model.attention = \"fastest\", which asks for no fixed order";
    if (micro_batch > 1 && message.find("out of memory") != std::string_view::npos)
        return fmt::format("; lower model.micro_batch (now {})", micro_batch);
    return "";
}

/// Runs `body` as every prediction is run: no gradients, the threads asked for, LibTorch's exceptions as
/// ours. `micro_batch`: most windows of a pass.
template <typename Body>
auto in_torch(Compute const& compute, std::int64_t micro_batch, Body&& body) {
    try {
        c10::InferenceMode const inference;
        at::set_num_threads(compute.threads);
        return std::forward<Body>(body)();
    } catch (c10::Error const& error) {
        std::string_view const said = error.what_without_backtrace();
        throw Error(compute.device >= 0 ? Origin::cuda : Origin::torch,
                    fmt::format("LibTorch: {}{}", said, advice_on(said, micro_batch)));
    } catch (Error const& error) {
        if (error.origin() != Origin::torch) throw;
        throw Error(error.origin(), error.what() + advice_on(error.what(), micro_batch),  // a script's
                    error.where());
    }
}

/// The same where windows are not cut into micro-batches.
template <typename Body>
auto in_torch(Compute const& compute, Body&& body) {
    return in_torch(compute, 1, std::forward<Body>(body));
}

inline void look_at(std::stop_token const& stop) {
    if (stop.stop_requested()) throw Error(Origin::stopped, "stopped between micro-batches");
}

/// Copies a device tensor into `out` (f32, same number of values).
inline void copy_out(at::Tensor const& values, std::span<float> out) {
    at::from_blob(out.data(), values.sizes(), at::kFloat).copy_(values);
}

}  // namespace mpira::model
