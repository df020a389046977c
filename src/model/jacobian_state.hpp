#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <stop_token>

#include <ATen/core/Tensor.h>

#include "mpira/base/error.hpp"
#include "mpira/model/jacobian.hpp"

#include "encoder.hpp"
#include "predictor_state.hpp"
#include "table_rows.hpp"

namespace mpira::model {

/// B: windows of a micro-batch, all of R regions; F: features, D: dim, T: outputs.
struct JacobianPredictor::State {
    State(std::filesystem::path const& file, Compute const& compute, JacobianOptions const& how,
          ScriptTrust const& trust)
        : model(file, compute, trust), options(how) {
        if (!model.script)
            encoder.emplace(model.full, model.type, how.one_query, compute.products, compute.any_order);
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
    /// Region embeddings (B, R, D) -> (B, T), f32, at the focus. Of a TorchScript model differentiable in the
    /// embeddings, which are its input.
    [[nodiscard]] at::Tensor read(at::Tensor const& tokens, at::Tensor const& focus,
                                  Encoder::Tap* tap = nullptr) const;
    /// d out[b, output[b]] / d tokens[b]: (B, R, D), until the next call. `predicted` receives (B, T).
    [[nodiscard]] at::Tensor embedding_gradient(at::Tensor const& tokens, at::Tensor const& focus,
                                                at::Tensor const& output, at::Tensor* predicted) const;
    /// CLS before each window's tokens: (B, R, D) -> (B, N, D).
    [[nodiscard]] at::Tensor with_cls(at::Tensor const& tokens) const;
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
    mutable std::optional<Encoder> encoder;  // its buffers change; none for a TorchScript model
    std::optional<TableRows> table;
};

}  // namespace mpira::model
