#include "mpira/model/predictor.hpp"

#include <cstdlib>

#include <ATen/Context.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <fmt/format.h>

#include "predictor_state.hpp"

namespace mpira::model {
namespace {

at::Device device_of(Compute const& compute) {
    require(compute.threads >= 1, fmt::format("threads = {}, expected at least 1", compute.threads));
    if (compute.device < 0) return at::kCPU;
    int const count = cuda_device_count();
    require(
        compute.device < count,
        fmt::format("CUDA device {} was asked for, {} are visible to this build; use device -1 for the CPU",
                    compute.device, count));
    // cuBLAS reads it when it is first used: with it, the same product has the same bits each time.
    ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);
    return {at::kCUDA, static_cast<c10::DeviceIndex>(compute.device)};
}

/// The narrowest GET of these features, outputs and head.
GetConfig stand_in(GetConfig const& facts) {
    GetConfig config;
    config.features = facts.features;
    config.outputs = facts.outputs;
    config.head = facts.head;
    config.dim = config.depth = config.heads = 1;
    config.mlp_ratio = 1;
    return config;
}

}  // namespace

Predictor::State::State(std::filesystem::path const& model, Compute const& how, ScriptTrust const& trust)
    : State(is_script(model) ? std::nullopt : std::optional<Weights>(model), model, how, trust) {}

Predictor::State::State(std::optional<Weights> const& weights, std::filesystem::path const& model,
                        Compute const& how, ScriptTrust const& trust)
    : compute(how),
      device(device_of(how)),
      type(how.precision == Precision::bf16 ? at::kBFloat16 : at::kFloat),
      script(weights ? std::nullopt : std::optional<ScriptModel>(std::in_place, model, trust, device)),
      card(weights ? weights->card() : script->card()),
      full(weights ? Get(*weights, device) : Get(stand_in(card.architecture), 1, device)),
      get(full.to(device, type)) {
    require(!script || type == at::kFloat,
            fmt::format("{}: a TorchScript model computes in its own types; leave model.precision at f32",
                        model.string()));
    if (script || !device.is_cpu()) return;
    auto const lack = lack_of(how.products, how.precision);
    require(lack.empty(), lack);
}

Predictor::Predictor(std::filesystem::path const& model, Compute const& compute, ScriptTrust const& trust) {
    state_ = in_torch(compute, [&] { return std::make_shared<State const>(model, compute, trust); });
}

ModelCard const& Predictor::card() const noexcept {
    return state_->card;
}
GetConfig const& Predictor::config() const noexcept {
    return state_->get.config();
}
Compute const& Predictor::compute() const noexcept {
    return state_->compute;
}

void Predictor::predict(std::span<float const> features, std::int64_t windows, std::int64_t regions,
                        std::span<float> out) const {
    auto const& wide = config();
    auto const rows = static_cast<std::uint64_t>(windows * regions);
    ensure(windows >= 1 && regions >= 1 &&
               features.size() == rows * static_cast<std::uint64_t>(wide.features) &&
               out.size() == rows * static_cast<std::uint64_t>(wide.outputs),
           "Predictor::predict: the spans do not have the shapes asked for");
    in_torch(compute(), [&] {
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): from_blob knows no const; it is only read
        auto* const data = const_cast<float*>(features.data());
        auto const x = at::from_blob(data, {windows, regions, wide.features}, at::kFloat);
        auto const y = state_->forward(x.to(state_->device, state_->type));
        at::from_blob(out.data(), {windows, regions, wide.outputs}, at::kFloat).copy_(y);
    });
}

int cuda_device_count() {
    return at::hasCUDA() ? static_cast<int>(at::getNumGPUs()) : 0;
}

void release_cached_device_memory() noexcept {
    try {
        if (cuda_device_count() > 0) at::getDeviceAllocator(at::kCUDA)->emptyCache();
    } catch (...) {  // NOLINT(bugprone-empty-catch): a device that has failed gives nothing back
    }
}

}  // namespace mpira::model
