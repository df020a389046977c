#include "mpira/model/insertion.hpp"

#include <algorithm>
#include <cmath>

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include "mpira/base/text.hpp"

#include "insertion_state.hpp"

namespace mpira::model {
namespace {

constexpr std::size_t kRecentCalls = kStopLooks.size() + 1;  // an element's, when it may stop early

FeatureTable const& checked(FeatureTable const& table, Predictor const& model,
                            InsertionOptions const& options) {
    auto const& config = model.config();
    require(
        config.head != HeadKind::masked,
        "a model with the masked head predicts no readout: insertions need an expression or accessibility "
        "model");
    require(
        table.motifs == config.motifs(),
        fmt::format("the atlas has {} motif features, the model reads {}", table.motifs, config.motifs()));
    require(options.window >= 1 && options.window <= table.places(),
            fmt::format("window = {} regions does not fit the atlas of {} regions", options.window,
                        table.places()));
    require(options.focus >= 0 && options.focus < options.window,
            fmt::format("focus = {} lies outside the window of {} regions", options.focus, options.window));
    require(options.micro_batch >= 1 && options.uninserted_batch >= 1,
            fmt::format("micro_batch = {} and uninserted_batch = {} must be at least 1", options.micro_batch,
                        options.uninserted_batch));
    return table;
}

/// A TorchScript model is run as it is: nothing is known about its inside.
InsertionOptions without_shortcuts(InsertionOptions options) {
    options.one_query = options.shared_embedding = false;
    return options;
}

}  // namespace

InsertionPredictor::State::State(Predictor model, FeatureTable const& features, InsertionOptions const& how)
    : predictor(std::move(model)),
      options(predictor.state().script ? without_shortcuts(how) : how),
      table(checked(features, predictor, how), predictor.config().head == HeadKind::accessibility,
            predictor.state().device),
      forward(predictor.state(), table, how) {
    if (!options.remember_uninserted) return;
    auto const starts = table.places() - options.window + 1;
    remembered_ = at::zeros({starts, predictor.config().outputs},
                            at::TensorOptions(at::kFloat).device(predictor.state().device));
    is_known_.assign(
        static_cast<std::size_t>((starts + options.uninserted_batch - 1) / options.uninserted_batch), 0);
}

at::Tensor InsertionPredictor::State::focus_rows(at::Tensor const& starts, at::Tensor const& vectors,
                                                 at::Tensor const& vector_rows) const {
    auto rows = table.rows(starts.add(options.focus));  // (B, F), ours
    auto const motifs = predictor.config().motifs();
    if (vectors.defined())
        rows.narrow(1, 0, motifs).add_(at::index_select(vectors, 0, vector_rows)).clamp_max_(1);
    rows.select(1, motifs).fill_(1);
    return rows;
}

at::Tensor InsertionPredictor::State::run(at::Tensor const& starts, at::Tensor const& rows) {
    auto out = forward.run(starts, rows);
    if (options.check_every > 0 && micro_batches_++ % options.check_every == 0) {
        auto const plain = forward.plain(starts, rows);
        auto const size = std::max(1.0, plain.abs().max().item<double>());
        auto const apart = out.sub(plain).abs().max().item<double>() / size;
        auto const allowed = predictor.compute().precision == Precision::bf16 ? 0.05 : 1e-4;
        ensure(
            apart <= allowed,
            fmt::format("the shortcuts and the plain forward are {} apart in micro-batch {}, {} is allowed",
                        apart, micro_batches_ - 1, allowed));
    }
    return out;
}

at::Tensor InsertionPredictor::State::uninserted(std::span<std::int64_t const> starts,
                                                 std::stop_token const& stop) {
    auto const batch = options.uninserted_batch;
    auto const device = remembered_.device();
    for (auto const start : starts) {
        auto const number = start / batch;
        if (is_known_[static_cast<std::size_t>(number)] != 0) continue;
        look_at(stop);
        auto const first = number * batch;
        auto const count = std::min(batch, remembered_.size(0) - first);
        auto const block = at::arange(first, first + count, at::TensorOptions(at::kLong).device(device));
        remembered_.narrow(0, first, count).copy_(run(block, focus_rows(block, {}, {})));
        is_known_[static_cast<std::size_t>(number)] = 1;
    }
    return at::index_select(remembered_, 0, index_tensor(starts, device));
}

at::Tensor InsertionPredictor::State::predict(std::span<std::int64_t const> window_starts,
                                              std::span<float const> vectors,
                                              std::span<std::int32_t const> vector_of,
                                              std::stop_token const& stop) {
    bool const inserts = std::ranges::any_of(vector_of, [](std::int32_t vector) { return vector >= 0; });
    if (inserts || options.remember_uninserted) return predict_all(window_starts, vectors, vector_of, stop);
    auto const known = std::ranges::find_if(
        recent_, [&](Call const& call) { return std::ranges::equal(call.starts, window_starts); });
    if (known != recent_.end()) return known->out;
    auto out = predict_all(window_starts, vectors, vector_of, stop);
    recent_.push_front({{window_starts.begin(), window_starts.end()}, out});
    if (recent_.size() > kRecentCalls) recent_.pop_back();
    return out;
}

at::Tensor InsertionPredictor::State::predict_all(std::span<std::int64_t const> window_starts,
                                                  std::span<float const> vectors,
                                                  std::span<std::int32_t const> vector_of,
                                                  std::stop_token const& stop) {
    auto const motifs = predictor.config().motifs();
    auto const device = predictor.state().device;
    ensure(vector_of.size() == window_starts.size() && vectors.size() % static_cast<std::size_t>(motifs) == 0,
           "InsertionPredictor: window_starts, vectors and vector_of do not fit together");
    ensure(std::all_of(vectors.begin(), vectors.end(), [](float value) { return std::isfinite(value); }),
           "InsertionPredictor: an inserted vector is not finite");
    auto const vector_count = static_cast<std::int64_t>(vectors.size()) / motifs;
    // Row vector_count stays zero: the control without an insertion. The pinned memory is freed here and not
    // after the computations: to free it once the device has failed throws, which a destructor must not.
    auto const added = [&] {
        auto host = at::zeros({vector_count + 1, motifs},
                              at::TensorOptions(at::kFloat).pinned_memory(device.is_cuda()));
        std::copy(vectors.begin(), vectors.end(), host.mutable_data_ptr<float>());
        return host.to(device, true);
    }();

    struct Part {
        std::vector<std::int64_t> places, starts, vectors;
    } inserted, control;
    for (std::size_t i = 0; i < window_starts.size(); ++i) {
        auto const start = window_starts[i];
        auto const vector = vector_of[i];
        ensure(
            start >= 0 && start + options.window <= table.places() && vector >= -1 && vector < vector_count,
            "InsertionPredictor: a window or a vector does not exist");
        auto& part = vector < 0 && options.remember_uninserted ? control : inserted;
        part.places.push_back(static_cast<std::int64_t>(i));
        part.starts.push_back(start);
        part.vectors.push_back(vector < 0 ? vector_count : vector);
    }

    auto out = at::empty({static_cast<std::int64_t>(window_starts.size()), predictor.config().outputs},
                         at::TensorOptions(at::kFloat).device(device));
    // All that the call needs travels at once: a micro-batch then only enqueues work on a GPU.
    auto const starts = index_tensor(inserted.starts, device);
    auto const vector_rows = index_tensor(inserted.vectors, device);
    auto const places = index_tensor(inserted.places, device);
    for (std::int64_t first = 0; first < starts.numel(); first += options.micro_batch) {
        look_at(stop);
        auto const count = std::min(options.micro_batch, starts.numel() - first);
        auto const part = starts.narrow(0, first, count);
        auto const rows = focus_rows(part, added, vector_rows.narrow(0, first, count));
        out.index_copy_(0, places.narrow(0, first, count), run(part, rows));
    }
    if (!control.places.empty()) {
        out.index_copy_(0, index_tensor(control.places, device), uninserted(control.starts, stop));
    }
    return out;
}

InsertionPredictor::InsertionPredictor(Predictor predictor, FeatureTable const& table,
                                       InsertionOptions const& options) {
    auto const compute = predictor.compute();
    state_ = in_torch(compute, options.micro_batch,
                      [&] { return std::make_unique<State>(std::move(predictor), table, options); });
}
InsertionPredictor::InsertionPredictor(InsertionPredictor&&) noexcept = default;
InsertionPredictor& InsertionPredictor::operator=(InsertionPredictor&&) noexcept = default;
InsertionPredictor::~InsertionPredictor() = default;

Predictor const& InsertionPredictor::predictor() const noexcept {
    return state_->predictor;
}
InsertionOptions const& InsertionPredictor::options() const noexcept {
    return state_->options;
}
std::int64_t InsertionPredictor::outputs() const noexcept {
    return predictor().config().outputs;
}
std::int64_t InsertionPredictor::regions() const noexcept {
    return state_->table.places();
}

std::int64_t InsertionPredictor::table_bytes() const {
    auto const remembered = options().remember_uninserted ? regions() * outputs() * 4 : 0;
    return remembered + (state_->forward.shares_embedding() ? state_->forward.shared_bytes() : 0);
}

std::string InsertionPredictor::describe() const {
    auto const& how = options();
    auto text = fmt::format("window {}, focus {}, micro-batch {}", how.window, how.focus, how.micro_batch);
    if (how.one_query) text += "; one-query last block";
    auto const bytes = text::bytes(static_cast<std::uint64_t>(state_->forward.shared_bytes()));
    if (state_->forward.shares_embedding()) {
        text += fmt::format("; shared embedding of {} regions ({})", regions(), bytes);
    } else if (how.shared_embedding) {
        text += fmt::format("; no shared embedding: {} regions need {}, allowed are {}", regions(), bytes,
                            text::bytes(static_cast<std::uint64_t>(how.shared_embedding_bytes)));
    }
    if (how.remember_uninserted) text += "; uninserted controls remembered";
    return text;
}

void InsertionPredictor::predict(std::span<std::int64_t const> window_starts, std::span<float const> vectors,
                                 std::span<std::int32_t const> vector_of, std::span<float> out,
                                 std::stop_token stop) {
    ensure(out.size() == window_starts.size() * static_cast<std::size_t>(outputs()),
           "InsertionPredictor::predict: out has not (n, outputs) values");
    in_torch(predictor().compute(), options().micro_batch,
             [&] { copy_out(state_->predict(window_starts, vectors, vector_of, stop), out); });
}

}  // namespace mpira::model
