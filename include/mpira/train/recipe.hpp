#pragma once

#include <cstdint>
#include <filesystem>

#include "mpira/model/products.hpp"
#include "mpira/train/adamw.hpp"
#include "mpira/train/objective.hpp"

namespace mpira::train {

/// Of forward passes; weights, sums and gradients are f32 in any case.
struct Arithmetic {
    bool bf16 = false;  ///< matrix products in bfloat16 (model::Bfloat16Forward)
    model::Products products = model::Products::onednn;  ///< of f32 on a CPU (model::OneDnnForward)
};

/// How to train. Everything but the rank count decides the weights (up to float noise between rank counts).
struct Recipe {
    std::uint64_t epochs = 100;
    std::uint64_t batch = 256;       ///< windows a step, over all ranks
    std::uint64_t micro_batch = 32;  ///< windows a forward pass: more are accumulated
    double lr = 1e-4;
    double min_lr = 1e-6;
    double warmup_fraction = 0.1;  ///< of all steps
    double weight_decay = 0.05;
    AdamWOptions adamw{};
    double input_dropout = 0;
    double clip_gradient = 0;  ///< largest L2 norm of the whole gradient; 0: no clipping
    /// Factor d on the learning rate a layer further from the head: d^(depth + 1 - depth_id). 1: none
    /// (spec/get.md 1.4, where it is computed but never applied).
    double layer_decay = 1;
    /// Weights that are scored and kept are the running mean ema <- d ema + (1 - d) w over steps, from the
    /// first weights on. 0: none.
    double ema_decay = 0;
    std::uint64_t patience = 0;  ///< epochs without a smaller validation loss that end the run; 0: never
    Arithmetic arithmetic;
    MaskOptions mask{};  ///< for a masked head
    std::uint64_t seed = 0;
    bool deterministic = false;  ///< EngineOptions (gradient_engine.hpp)
    std::uint64_t bucket_bytes = 25 << 20;
    std::filesystem::path timeline;
};

}  // namespace mpira::train
