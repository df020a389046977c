#include "mpira/model/jacobian.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include "jacobian_state.hpp"
#include "linear_map.hpp"
#include "readback.hpp"
#include "summarise.hpp"

namespace mpira::model {
namespace {

/// As in_torch, but where autograd may record. What is made here are ordinary tensors: those of inference
/// mode can't take part in a backward.
template <typename Body>
auto in_autograd(Compute const& compute, std::int64_t micro_batch, Body&& body) {
    return in_torch(compute, micro_batch, [&] {
        c10::InferenceMode const ordinary(false);
        return std::forward<Body>(body)();
    });
}

}  // namespace

std::string_view name_of(Attribution method) {
    switch (method) {
        case Attribution::gradient:
            return "gradient";
        case Attribution::gradient_x_input:
            return "gradient_x_input";
        case Attribution::integrated_gradients:
            return "integrated_gradients";
        case Attribution::knock_out:
            return "knock_out";
    }
    return "unknown";
}

void JacobianPredictor::State::check(JacobianWindow const& window) const {
    ensure(window.first >= 0 && window.size >= 1 && window.first + window.size <= rows().places() &&
               window.focus >= 0 && window.focus < window.size && window.output >= 0 &&
               window.output < model.get.config().outputs,
           "JacobianPredictor: a window, focus or output does not exist");
}

JacobianPredictor::State::Batch JacobianPredictor::State::batch_of(std::span<JacobianWindow const> windows,
                                                                   std::size_t first) const {
    auto const regions = windows[first].size;
    std::vector<std::int64_t> starts, focus, output;
    for (auto i = first;
         i < windows.size() && windows[i].size == regions && std::ssize(output) < options.micro_batch; ++i) {
        auto const& window = windows[i];
        focus.push_back(std::ssize(output) * (regions + 1) + 1 + window.focus);  // token 0 is CLS
        output.push_back(window.output);
        starts.push_back(window.first);
    }
    auto const steps = at::arange(regions, at::TensorOptions(at::kLong).device(model.device));
    auto const places = index_tensor(starts, model.device).unsqueeze(1).add(steps).flatten();
    return {.first = first,
            .x = rows().rows(places).view({std::ssize(output), regions, model.get.config().features}),
            .focus = index_tensor(focus, model.device),
            .output = index_tensor(output, model.device).unsqueeze(1)};
}

at::Tensor JacobianPredictor::State::repeated_focus(JacobianWindow const& window, std::int64_t count) const {
    std::vector<std::int64_t> focus(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) {
        focus[static_cast<std::size_t>(i)] = i * (window.size + 1) + 1 + window.focus;
    }
    return index_tensor(focus, model.device);
}

at::Tensor JacobianPredictor::State::with_cls(at::Tensor const& tokens) const {
    auto const& get = model.get;
    return at::cat({get.cls_token.expand({tokens.size(0), 1, get.config().dim}), tokens}, 1);
}

at::Tensor JacobianPredictor::State::read(at::Tensor const& tokens, at::Tensor const& focus,
                                          Encoder::Tap* tap) const {
    if (!model.script) return encoder->read(with_cls(tokens), {}, focus, tap);
    auto const windows = at::arange(1, tokens.size(0) + 1, focus.options());  // its windows have no token 0
    return at::index_select(model.forward(tokens).flatten(0, 1), 0, focus.sub(windows));
}

at::Tensor JacobianPredictor::State::embedding_gradient(at::Tensor const& tokens, at::Tensor const& focus,
                                                        at::Tensor const& output,
                                                        at::Tensor* predicted) const {
    if (!model.script) {
        return encoder->gradient(with_cls(tokens), focus, output, predicted).narrow(1, 1, tokens.size(1));
    }
    c10::AutoGradMode const recorded(true);
    InOrder const order(model.in_order());
    auto const leaf = tokens.detach().requires_grad_(true);
    auto const out = read(leaf, focus);
    if (predicted != nullptr) *predicted = out.detach();
    auto const chosen = at::gather(out, 1, output).sum();
    return torch::autograd::grad({chosen}, {leaf})[0].to(at::kFloat);
}

at::Tensor JacobianPredictor::State::input_gradient(at::Tensor const& embedding_gradient) const {
    at::Tensor gradient;
    if (model.script) {
        gradient = embedding_gradient.clone();
    } else {
        auto const& embed =
            embedding_gradient.scalar_type() == at::kFloat ? model.full.embed_weight : model.get.embed_weight;
        gradient = wide_product(embedding_gradient.flatten(0, 1), embed.t())
                       .view({embedding_gradient.size(0), embedding_gradient.size(1), -1});
    }
    if (hides_accessibility()) gradient.select(-1, gradient.size(-1) - 1).zero_();
    return gradient;
}

at::Tensor JacobianPredictor::State::integrated(Batch const& batch, std::span<JacobianWindow const> windows,
                                                std::span<float> baseline,
                                                std::stop_token const& stop) const {
    auto const motifs = model.get.config().motifs();
    at::Tensor from, along;
    auto start = batch.x.clone();
    start.narrow(2, 0, motifs).zero_();
    {
        c10::AutoGradMode const without_grad(false);
        from = embed(start);
        along = embed(batch.x).sub(from);
        if (!baseline.empty()) {
            auto const out = at::gather(read(from, batch.focus), 1, batch.output);
            Readback now;
            now.add(out, batch.first, 1, baseline);
            now.leave();
            now.take();
        }
    }
    auto const steps = options.steps;
    std::vector<at::Tensor> means;  // (R, D)
    for (std::int64_t b = 0; b < batch.x.size(0); ++b) {
        auto sum = at::zeros_like(from[b], at::kFloat);
        for (std::int64_t first = 0; first < steps; first += options.micro_batch) {
            look_at(stop);
            auto const count = std::min(options.micro_batch, steps - first);
            auto share = at::empty({count, 1, 1}, at::kFloat);
            for (std::int64_t s = 0; s < count; ++s) {
                share.mutable_data_ptr<float>()[s] =
                    static_cast<float>((static_cast<double>(first + s) + 0.5) / static_cast<double>(steps));
            }
            auto const tokens = from[b].add(along[b].mul(share.to(model.device, model.type)));
            auto const focus = repeated_focus(windows[batch.first + static_cast<std::size_t>(b)], count);
            sum.add_(
                embedding_gradient(tokens, focus, batch.output.narrow(0, b, 1).expand({count, 1}), nullptr)
                    .sum(at::IntArrayRef{0}, false, at::kFloat));
        }
        means.push_back(sum.div(static_cast<double>(steps)).unsqueeze(0));
    }
    return input_gradient(at::cat(means)).mul(batch.x.sub(start));
}

JacobianPredictor::JacobianPredictor(std::filesystem::path const& model, Compute const& compute,
                                     JacobianOptions const& options, ScriptTrust const& trust) {
    require(options.micro_batch >= 1 && options.steps >= 1,
            fmt::format("micro_batch = {} and steps = {} must be at least 1", options.micro_batch,
                        options.steps));
    state_ = in_autograd(compute, options.micro_batch,
                         [&] { return std::make_unique<State>(model, compute, options, trust); });
    require(
        card().architecture.head != HeadKind::masked,
        fmt::format("{}: a model with the masked head predicts no readout: a Jacobian needs an expression "
                    "or accessibility model",
                    model.string()));
}
JacobianPredictor::JacobianPredictor(JacobianPredictor&&) noexcept = default;
JacobianPredictor& JacobianPredictor::operator=(JacobianPredictor&&) noexcept = default;
JacobianPredictor::~JacobianPredictor() = default;

ModelCard const& JacobianPredictor::card() const noexcept {
    return state_->model.card;
}
JacobianOptions const& JacobianPredictor::options() const noexcept {
    return state_->options;
}

void JacobianPredictor::set_table(FeatureTable const& table) {
    auto const& config = state_->model.get.config();
    require(
        table.motifs == config.motifs(),
        fmt::format("the atlas has {} motif features, the model reads {}", table.motifs, config.motifs()));
    in_autograd(state_->model.compute, state_->options.micro_batch,
                [&] { state_->table.emplace(table, state_->hides_accessibility(), state_->model.device); });
}

void JacobianPredictor::run(std::span<JacobianWindow const> windows, Attribution method,
                            JacobianResult const& result, std::stop_token stop, Ready const& ready) {
    ensure(method != Attribution::knock_out, "JacobianPredictor::run: knock-outs have a call of their own");
    auto const& config = state_->model.get.config();
    auto const features = static_cast<std::size_t>(config.features);
    auto const slot = static_cast<std::size_t>(result.regions);
    auto const fits = [&](std::span<float> span, std::size_t values) {
        return span.empty() || span.size() == windows.size() * values;
    };
    ensure(fits(result.embeddings, static_cast<std::size_t>(config.dim)) &&
               fits(result.predictions, static_cast<std::size_t>(config.outputs)) &&
               fits(result.attributions, slot * features) && fits(result.gradients, slot * features) &&
               fits(result.by_feature, result.feature_summaries.size() * features) &&
               fits(result.by_region, result.region_summaries.size() * slot) &&
               fits(result.embedding_norms, slot) && fits(result.baseline, 1),
           "JacobianPredictor::run: the spans do not have the shapes asked for");
    bool const attributes =
        !result.attributions.empty() || !result.by_feature.empty() || !result.by_region.empty();
    bool const by_region = attributes || !result.gradients.empty() || !result.embedding_norms.empty();
    for (auto const& window : windows) {
        state_->check(window);
        ensure(!by_region || window.size <= result.regions,
               "JacobianPredictor::run: a window is wider than its place in the result");
    }
    bool const integrates = method == Attribution::integrated_gradients && attributes;
    bool const has_gradient =
        by_region && (!integrates || !result.gradients.empty() || !result.embedding_norms.empty());

    ensure(
        result.embeddings.empty() || (!has_gradient && result.layer >= 0 && result.layer <= config.depth + 1),
        "JacobianPredictor::run: embeddings are read where no gradient is taken, at a layer there is");

    ensure(!state_->model.script || (result.embeddings.empty() && result.embedding_norms.empty()),
           "JacobianPredictor::run: a TorchScript model has no embedding that is known here");
    in_autograd(state_->model.compute, state_->options.micro_batch, [&] {
        c10::AutoGradMode const without_grad(false);
        Readback before;  // of the micro-batch before, which began at the window `done`
        std::size_t done = 0;
        auto const take_before = [&](std::size_t end) {
            before.take();
            if (ready && end > done) ready(done, end - done);
            done = end;
        };
        for (std::size_t first = 0; first < windows.size();) {
            look_at(stop);
            auto const batch = state_->batch_of(windows, first);
            Readback now;
            auto const add = [&](at::Tensor const& values, std::size_t stride, std::span<float> out) {
                now.add(values, first, stride, out);
            };
            auto const add_attributions = [&](at::Tensor const& values) {  // (B, R, F)
                add(values, slot * features, result.attributions);
                if (!result.by_feature.empty()) {
                    std::vector<at::Tensor> parts;
                    for (auto const summary : result.feature_summaries)
                        parts.push_back(summarise(summary, values, 1));
                    add(at::stack(parts, 1), parts.size() * features, result.by_feature);
                }
                if (result.by_region.empty()) return;
                auto padded = at::zeros({values.size(0), std::ssize(result.region_summaries), result.regions},
                                        values.options());
                for (std::int64_t s = 0; s < padded.size(1); ++s)
                    padded.select(1, s)
                        .narrow(1, 0, values.size(1))
                        .copy_(summarise(result.region_summaries[static_cast<std::size_t>(s)], values, 2));
                add(padded, static_cast<std::size_t>(padded.size(1)) * slot, result.by_region);
            };
            auto const tokens = state_->embed(batch.x);
            at::Tensor predicted;
            if (has_gradient) {
                auto const embedding =
                    state_->embedding_gradient(tokens, batch.focus, batch.output, &predicted);
                if (!result.embedding_norms.empty())
                    add(at::linalg_vector_norm(embedding, 2, at::IntArrayRef{-1}, false, at::kFloat), slot,
                        result.embedding_norms);
                bool const from_gradient = attributes && !integrates;
                if (from_gradient || !result.gradients.empty()) {
                    auto const gradient = state_->input_gradient(embedding);
                    add(gradient, slot * features, result.gradients);
                    if (from_gradient)
                        add_attributions(method == Attribution::gradient ? gradient : gradient.mul(batch.x));
                }
            } else if (!(result.predictions.empty() && result.embeddings.empty())) {
                Encoder::Tap tap{result.layer, {}};
                predicted = state_->read(tokens, batch.focus, result.embeddings.empty() ? nullptr : &tap);
                if (!result.embeddings.empty())
                    add(tap.tokens, static_cast<std::size_t>(config.dim), result.embeddings);
            }
            if (!result.predictions.empty())
                add(predicted, static_cast<std::size_t>(config.outputs), result.predictions);
            if (integrates) add_attributions(state_->integrated(batch, windows, result.baseline, stop));
            now.leave();
            take_before(first);
            before = std::move(now);
            first += static_cast<std::size_t>(batch.x.size(0));
        }
        take_before(windows.size());
    });
}

void JacobianPredictor::knock_out(JacobianWindow const& window, std::span<KnockOut const> changes,
                                  std::span<float> effects, std::span<float> prediction,
                                  std::stop_token stop) {
    auto const& config = state_->model.get.config();
    state_->check(window);
    ensure(
        effects.size() == changes.size() && (prediction.empty() || std::ssize(prediction) == config.outputs),
        "JacobianPredictor::knock_out: the spans do not have the shapes asked for");
    std::fill(effects.begin(), effects.end(), 0.0F);
    in_torch(state_->model.compute, state_->options.micro_batch, [&] {
        auto const batch = state_->batch_of(std::span(&window, 1), 0);
        auto const host = batch.x.to(at::kCPU);
        auto const before = state_->read(state_->embed(batch.x), batch.focus);  // (1, T)
        if (!prediction.empty()) copy_out(before.squeeze(0), prediction);

        auto const* const x = host.const_data_ptr<float>();
        auto const is_there = [&](KnockOut const& change) {
            if (state_->hides_accessibility() && change.feature == config.motifs()) return false;
            auto const value = [&](std::int64_t region) {
                return x[region * config.features + change.feature];
            };
            if (change.region != KnockOut::kAllRegions) return value(change.region) != 0;
            for (std::int64_t region = 0; region < window.size; ++region)
                if (value(region) != 0) return true;
            return false;
        };
        std::vector<std::size_t> todo;
        for (std::size_t i = 0; i < changes.size(); ++i) {
            auto const& change = changes[i];
            ensure(change.feature >= 0 && change.feature < config.features &&
                       change.region >= KnockOut::kAllRegions && change.region < window.size,
                   "JacobianPredictor::knock_out: a region or feature does not exist");
            if (is_there(change)) todo.push_back(i);
        }
        auto const micro_batch = static_cast<std::size_t>(state_->options.micro_batch);
        for (std::size_t first = 0; first < todo.size(); first += micro_batch) {
            look_at(stop);
            auto const count = std::min(micro_batch, todo.size() - first);
            auto const n = static_cast<std::int64_t>(count);
            std::vector<std::int64_t> gone;  // values of all windows together: zeroed at once, not one by one
            for (std::size_t i = 0; i < count; ++i) {
                auto const& change = changes[todo[first + i]];
                bool const all = change.region == KnockOut::kAllRegions;
                for (auto r = all ? 0 : change.region; r < (all ? window.size : change.region + 1); ++r)
                    gone.push_back((static_cast<std::int64_t>(i) * window.size + r) * config.features +
                                   change.feature);
            }
            auto const changed = batch.x.repeat({n, 1, 1});
            changed.view({-1}).index_fill_(0, index_tensor(gone, state_->model.device), 0);
            auto const after = state_->read(state_->embed(changed), state_->repeated_focus(window, n));
            auto const lost = before.sub(after).select(1, window.output).to(at::kCPU).contiguous();
            for (std::size_t i = 0; i < count; ++i)
                effects[todo[first + i]] = lost.const_data_ptr<float>()[i];
        }
    });
}

std::vector<float> JacobianPredictor::input(JacobianWindow const& window) const {
    state_->check(window);
    return in_torch(state_->model.compute, [&] {
        auto const places = at::arange(window.first, window.first + window.size,
                                       at::TensorOptions(at::kLong).device(state_->model.device));
        auto const x = state_->rows().rows(places);
        std::vector<float> values(static_cast<std::size_t>(x.numel()));
        copy_out(x, values);
        return values;
    });
}

}  // namespace mpira::model
