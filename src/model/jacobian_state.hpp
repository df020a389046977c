#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <stop_token>
#include <vector>

#include <ATen/core/Tensor.h>

#include "mpira/base/error.hpp"
#include "mpira/model/jacobian.hpp"

#include "get_block.hpp"
#include "predictor_state.hpp"
#include "table_rows.hpp"

namespace mpira::model {

/// B: windows of a micro-batch, all of R regions; F: features, D: dim, T: outputs.
struct JacobianPredictor::State {
    State(std::filesystem::path const& file, Compute const& compute, JacobianOptions const& how,
          ScriptTrust const& trust)
        : model(file, compute, trust), options(how), embed_weight(model.get.embed_weight.to(at::kFloat)) {
        for (auto const& block : model.get.blocks) biases.push_back(qkv_bias(block));
    }

    /// What a micro-batch reads: rows of z, the output's column, and the input.
    struct Batch {
        std::size_t first = 0;  ///< index of its first window in the call
        at::Tensor x;           // (B, R, F) f32
        at::Tensor focus;       // (B): index of the focus token in (B (R + 1))
        at::Tensor output;      // (B, 1)
    };
    [[nodiscard]] Batch batch_of(std::span<JacobianWindow const> windows, std::size_t first) const;
    /// The same sample `count` times.
    [[nodiscard]] at::Tensor repeated_focus(JacobianWindow const& window, std::int64_t count) const;

    /// A TorchScript model's regions enter it as they are: D is F for them.
    [[nodiscard]] at::Tensor embed(at::Tensor const& x) const {
        return model.script ? x : model.get.embed(x.to(model.type));
    }
    /// The focus tokens at one of embedding_layers().
    struct Tap {
        std::int64_t layer = 0;
        at::Tensor tokens;  // (B, D), set by read
    };
    /// Region embeddings (B, R, D) -> (B, T), f32, at the focus; differentiable in the embeddings.
    [[nodiscard]] at::Tensor read(at::Tensor const& tokens, at::Tensor const& focus,
                                  Tap* tap = nullptr) const;
    /// The same from the tokens before block 1, CLS first, and their queries, keys and values there (B, N,
    /// 3 D), or nothing where they are to be computed.
    [[nodiscard]] at::Tensor read_on(at::Tensor z, at::Tensor const& first_qkv, at::Tensor const& focus,
                                     Tap* tap = nullptr) const;
    /// d out[b, output[b]] / d tokens[b]: (B, R, D) f32. `predicted` receives (B, T).
    [[nodiscard]] at::Tensor embedding_gradient(at::Tensor const& tokens, at::Tensor const& focus,
                                                at::Tensor const& output, at::Tensor* predicted) const;
    /// The embedding is linear: J = d out / d embedding times its weight. (B, R, D) -> (B, R, F).
    [[nodiscard]] at::Tensor input_gradient(at::Tensor const& embedding_gradient) const;
    [[nodiscard]] at::Tensor integrated(Batch const& batch, std::span<JacobianWindow const> windows,
                                        std::span<float> baseline, std::stop_token const& stop) const;

    [[nodiscard]] bool hides_accessibility() const {
        return model.get.config().head == HeadKind::accessibility;
    }
    [[nodiscard]] TableRows const& rows() const {
        ensure(table.has_value(), "JacobianPredictor: set_table comes first");
        return *table;
    }
    void check(JacobianWindow const& window) const;

    Predictor::State model;
    JacobianOptions options;
    std::vector<at::Tensor> biases;  // per block, (3 D)
    at::Tensor embed_weight;         // (D, F) f32
    std::optional<TableRows> table;
};

}  // namespace mpira::model
