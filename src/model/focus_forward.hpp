#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "encoder.hpp"
#include "predictor_state.hpp"
#include "table_rows.hpp"

namespace mpira::model {

/// The network on windows of a table whose focus row is replaced, read at the focus only: what can be left
/// out or shared without changing the result is (InsertionOptions), the rest is Get::forward.
///
/// B: windows of a micro-batch, R: regions a window, N = R + 1 tokens with CLS first, F: features, D: dim.
/// Call inside in_torch.
class FocusForward {
public:
    FocusForward(Predictor::State const& model, TableRows const& table, InsertionOptions const& options);

    /// `starts` (B) i64 on the device, B <= micro_batch or uninserted_batch; `focus_rows` (B, F) f32 -> (B,
    /// outputs) f32.
    [[nodiscard]] at::Tensor run(at::Tensor const& starts, at::Tensor const& focus_rows);
    /// The same by Get::forward, all tokens through all blocks.
    [[nodiscard]] at::Tensor plain(at::Tensor const& starts, at::Tensor const& focus_rows);

    [[nodiscard]] std::int64_t shared_bytes() const noexcept { return shared_bytes_; }
    [[nodiscard]] bool shares_embedding() const noexcept { return table_tokens_.defined(); }

private:
    void share_embedding();
    [[nodiscard]] at::Tensor windows(at::Tensor const& starts,
                                     at::Tensor const& focus_rows);  // (B, R, F), in x_
    /// Tokens of windows and their projections in block 1, (B, N, D) and (B, N, 3 D), in z_ and qkv_.
    std::pair<at::Tensor, at::Tensor> gather(at::Tensor const& starts, at::Tensor const& focus_rows);

    Predictor::State const* model_;
    TableRows const* table_;
    InsertionOptions options_;
    std::optional<Encoder> encoder_;  // none for a TorchScript model
    std::int64_t shared_bytes_ = 0;
    // One row a region and, last, one for CLS: the token before block 1 and its q, k, v there. Block 1 sees a
    // row without its neighbours or its position (there is no positional code), so they hold for any window.
    at::Tensor table_tokens_;  // (regions + 1, D)
    at::Tensor table_qkv_;     // (regions + 1, 3 D)
    // Constants and buffers of the largest micro-batch: fresh ones cost page faults, 2 to 10 % of a small
    // network's time.
    at::Tensor steps_;    // (R): 0, 1, ..
    at::Tensor focus_;    // (B): the focus token's row of (B N)
    at::Tensor sources_;  // (B, N): rows of the table; CLS's first
    at::Tensor x_;        // (B R, F) f32, when windows are built
    at::Tensor z_;        // (B N, D)
    at::Tensor qkv_;      // (B N, 3 D)
};

}  // namespace mpira::model
