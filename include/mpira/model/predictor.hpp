#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "mpira/model/model_card.hpp"
#include "mpira/model/products.hpp"
#include "mpira/model/script.hpp"

namespace mpira::model {

/// Where and how a model is run. All of it but the device number affects the bits of the result.
struct Compute {
    int device = -1;  ///< CUDA device ordinal, -1: CPU
    int threads = 1;  ///< of one model call, on the CPU
    Precision precision = Precision::f32;
    /// On a GPU: attention by the fastest kernel, though it adds parts up in the order in which they are
    /// done, so that the last bits of a result vary from run to run.
    bool any_order = false;
    Products products = Products::onednn;
};

/// A trained GET, or another program's model (script.hpp), ready to be run; Torch stays behind the pointer. A
/// shared, immutable handle: copies are cheap and show the same weights.
///
/// Threads: one call at a time. Failures inside LibTorch come out as Error(Origin::torch), on a GPU
/// Error(Origin::cuda).
class Predictor {
public:
    /// Reads and checks the weights (see Weights) or, where `trust` lets it run, a TorchScript file, uploads
    /// them. Refuses a device that isn't there, and bf16 for TorchScript.
    explicit Predictor(std::filesystem::path const& model, Compute const& compute = {},
                       ScriptTrust const& trust = {});

    [[nodiscard]] ModelCard const& card() const noexcept;
    [[nodiscard]] GetConfig const& config() const noexcept;
    [[nodiscard]] Compute const& compute() const noexcept;

    /// All regions of `windows` windows of `regions` regions: the plain forward, in inference mode.
    /// `features` (windows, regions, config().features) as the network reads them; `out` (windows, regions,
    /// outputs). All windows form one batch. An accessibility model hides the last column itself; a model
    /// with the masked head is run without a mask.
    void predict(std::span<float const> features, std::int64_t windows, std::int64_t regions,
                 std::span<float> out) const;

    struct State;  ///< defined in src/model, for the other predictors of this layer
    [[nodiscard]] State const& state() const noexcept { return *state_; }

private:
    std::shared_ptr<State const> state_;
};

/// The number of CUDA devices this build and machine offer; 0 in a CPU build.
int cuda_device_count();

/// Gives cached device memory back to the driver: what a retry after out-of-memory starts with. No-op on the
/// CPU. For handlers of an error that matters more: what fails here is not told.
void release_cached_device_memory() noexcept;

}  // namespace mpira::model
