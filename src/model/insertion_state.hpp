#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <stop_token>
#include <vector>

#include "mpira/model/insertion.hpp"

#include "focus_forward.hpp"

namespace mpira::model {

struct InsertionPredictor::State {
    State(Predictor model, FeatureTable const& table, InsertionOptions const& how);
    State(State const&) = delete;  // forward points into it
    State& operator=(State const&) = delete;

    /// As InsertionPredictor::predict, with the result (n, outputs) f32 left on the device. Call inside
    /// in_torch.
    at::Tensor predict(std::span<std::int64_t const> window_starts, std::span<float const> vectors,
                       std::span<std::int32_t const> vector_of, std::stop_token const& stop);

    Predictor predictor;
    InsertionOptions options;
    TableRows table;
    FocusForward forward;

private:
    /// `starts` (B) i64, `vectors` (k, motifs) and the rows of it to add (B), on the device -> (B, F).
    at::Tensor focus_rows(at::Tensor const& starts, at::Tensor const& vectors,
                          at::Tensor const& vector_rows) const;
    at::Tensor run(at::Tensor const& starts, at::Tensor const& focus_rows);
    at::Tensor uninserted(std::span<std::int64_t const> starts, std::stop_token const& stop);
    at::Tensor predict_all(std::span<std::int64_t const> window_starts, std::span<float const> vectors,
                           std::span<std::int32_t const> vector_of, std::stop_token const& stop);

    at::Tensor remembered_;               // (window starts, outputs) f32
    std::vector<std::uint8_t> is_known_;  // per block of uninserted_batch window starts
    std::int64_t micro_batches_ = 0;
    struct Call {
        std::vector<std::int64_t> starts;
        at::Tensor out;
    };
    std::deque<Call> recent_;  // without vectors: elements that share their sites repeat it
};

}  // namespace mpira::model
