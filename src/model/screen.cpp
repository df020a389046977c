#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <limits>

#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/stack.h>
#include <fmt/format.h>

#include "insertion_state.hpp"

namespace mpira::model {
namespace {

std::vector<std::string> quantities_of(ScreenShape const& shape) {
    auto quantities = shape.outputs;
    if (shape.outputs.size() == 2) quantities.emplace_back("max");
    if (!shape.has_accessibility) return quantities;
    auto const predicted = quantities;
    quantities.emplace_back("accessibility");
    for (auto const& name : predicted) quantities.push_back(name + "_x_accessibility");
    return quantities;
}

std::vector<std::string> arms_of(ScreenShape const& shape) {
    std::vector<std::string> arms{"element"};
    if (shape.uninserted) arms.emplace_back("uninserted");
    if (shape.shuffled) arms.emplace_back("shuffled");
    if (shape.uninserted) arms.emplace_back("element-uninserted");
    if (shape.shuffled) arms.emplace_back("element-shuffled");
    return arms;
}

/// What is inserted at each site: one vector for all (element), none, or the shuffles in turn.
struct Arm {
    std::span<float const> vectors;
    std::vector<std::int32_t> vector_of;
    std::span<float> raw;
};

/// The arms that are predicted, in the order of arms_of.
std::vector<Arm> arms_to_predict(ScreenShape const& shape, ScreenInput const& input,
                                 RawPredictions const& raw) {
    auto const n = input.window_starts.size();
    std::vector<Arm> arms{{input.element, std::vector<std::int32_t>(n, 0), raw.element}};
    if (shape.uninserted) arms.push_back({{}, std::vector<std::int32_t>(n, -1), raw.uninserted});
    if (!shape.shuffled) return arms;
    std::vector<std::int32_t> in_turn(n);
    auto const shuffles = input.shuffles.size() / input.element.size();
    for (std::size_t i = 0; i < n; ++i) in_turn[i] = static_cast<std::int32_t>(i % shuffles);
    arms.push_back({input.shuffles, std::move(in_turn), raw.shuffled});
    return arms;
}

/// (n, quantities) in double, in the order of quantities_of, from (n, outputs) and (n, 1) or nothing.
at::Tensor quantities(at::Tensor const& expression, at::Tensor const& accessibility) {
    auto predicted = expression.to(at::kDouble);
    if (predicted.size(1) == 2) predicted = at::cat({predicted, predicted.amax({1}, true)}, 1);
    if (!accessibility.defined()) return predicted;
    auto const open = accessibility.to(at::kDouble);
    return at::cat({predicted, open, predicted.mul(open)}, 1);
}

/// (arms, n, quantities), with the paired differences.
at::Tensor with_differences(std::vector<at::Tensor> arms) {
    auto const predicted = arms.size();
    for (std::size_t control = 1; control < predicted; ++control) arms.push_back(arms[0].sub(arms[control]));
    return at::stack(arms);
}

/// (quantities, arms, 3): mean, sd, se over the insertions. Two passes, so that a small spread about a large
/// mean is not lost.
at::Tensor moments(at::Tensor const& values) {
    auto const n = static_cast<double>(values.size(1));
    auto const mean = values.sum(at::IntArrayRef{1}).div(n);
    auto const sd = values.sub(mean.unsqueeze(1)).square().sum(at::IntArrayRef{1}).div(n - 1).sqrt();
    return at::stack({mean, sd, sd.div(std::sqrt(n))}, -1).transpose(0, 1);
}

/// Where insertions are looked at; the last is all of them.
std::vector<std::size_t> looks_of(ScreenInput const& input) {
    std::vector<std::size_t> looks;
    auto const n = input.window_starts.size();
    if (input.stop_se > 0)
        std::ranges::copy_if(kStopLooks, std::back_inserter(looks),
                             [n](std::size_t look) { return look < n; });
    looks.push_back(n);
    return looks;
}

/// Whether the paired difference is known well enough, from the quantities (m, ..) of both arms.
bool is_precise(at::Tensor const& element, at::Tensor const& uninserted, std::int64_t outputs,
                double stop_se) {
    auto const difference = element.sub(uninserted).narrow(1, 0, outputs).unsqueeze(0);
    return moments(difference).select(-1, 2).max().item<double>() <= stop_se;  // false for what is no number
}

void check(InsertionPredictor const& expression, InsertionPredictor const* accessibility,
           ScreenShape const& shape, ScreenInput const& input, std::span<double> statistics,
           RawPredictions const& raw) {
    auto const n = input.window_starts.size();
    auto const motifs = static_cast<std::size_t>(expression.predictor().config().motifs());
    auto const outputs = static_cast<std::size_t>(expression.outputs());
    auto const fits_raw = [&](std::span<float> values) {
        return values.empty() || values.size() == n * outputs;
    };
    ensure(n >= 1, "screen_element: no insertions");
    ensure(shape.outputs.size() == outputs,
           "screen_element: the shape names other outputs than the model has");
    ensure(shape.has_accessibility == (accessibility != nullptr),
           "screen_element: the shape and the accessibility model disagree");
    ensure(input.element.size() == motifs,
           "screen_element: the element is not a vector of the model's motifs");
    ensure(!shape.shuffled || (!input.shuffles.empty() && input.shuffles.size() % motifs == 0),
           "screen_element: the shuffles are not vectors of the model's motifs");
    ensure(input.site_classes.size() == n || (input.site_classes.empty() && shape.classes.empty()),
           "screen_element: not one class a site");
    ensure(std::all_of(input.site_classes.begin(), input.site_classes.end(),
                       [&](std::int32_t c) {
                           return c >= -1 && c < static_cast<std::int32_t>(shape.classes.size());
                       }),
           "screen_element: a site class that has no name");
    ensure(input.stop_se <= 0 || shape.uninserted,
           "screen_element: an early stop needs the uninserted control");
    ensure(statistics.size() == statistic_names(shape).size(), "screen_element: room for other statistics");
    ensure(fits_raw(raw.element) && fits_raw(raw.uninserted) && fits_raw(raw.shuffled) &&
               (raw.uninserted.empty() || shape.uninserted) && (raw.shuffled.empty() || shape.shuffled),
           "screen_element: room for other raw predictions");
    if (accessibility == nullptr) return;
    auto const& a = expression.options();
    auto const& b = accessibility->options();
    ensure(accessibility->predictor().config().head == HeadKind::accessibility,
           "screen_element: the accessibility model has another head");
    ensure(a.window == b.window && a.focus == b.focus && expression.regions() == accessibility->regions() &&
               expression.predictor().compute().device == accessibility->predictor().compute().device,
           "screen_element: the two models have other windows, tables or devices");
}

}  // namespace

std::vector<std::string> statistic_names(ScreenShape const& shape) {
    auto const arms = arms_of(shape);
    auto const quantities = quantities_of(shape);
    std::vector<std::string> names;
    for (auto const& quantity : quantities) {
        for (auto const& arm : arms) {
            for (char const* const statistic : {"mean", "sd", "se"}) {
                names.push_back(fmt::format("{}.{}.{}", quantity, arm, statistic));
            }
        }
    }
    for (auto const& site_class : shape.classes) {
        names.push_back("insertions." + site_class);
        for (auto const& quantity : quantities) {
            for (auto const& arm : arms) {
                names.push_back(fmt::format("{}.{}.mean.{}", quantity, arm, site_class));
            }
        }
    }
    return names;
}

std::size_t screen_element(InsertionPredictor& expression, InsertionPredictor* accessibility,
                           ScreenShape const& shape, ScreenInput const& input, std::span<double> statistics,
                           RawPredictions const& raw, std::stop_token stop) {
    check(expression, accessibility, shape, input, statistics, raw);
    std::size_t used = 0;
    in_torch(expression.predictor().compute(), expression.options().micro_batch, [&] {
        auto const arms = arms_to_predict(shape, input, raw);
        auto const outputs = static_cast<std::size_t>(expression.outputs());
        std::vector<at::Tensor> seen(arms.size());  // quantities (used, ..) of each arm
        for (auto const look : looks_of(input)) {
            auto const count = look - used;
            auto const starts = input.window_starts.subspan(used, count);
            for (std::size_t a = 0; a < arms.size(); ++a) {
                auto const vector_of = std::span(arms[a].vector_of).subspan(used, count);
                auto const predicted = expression.state().predict(starts, arms[a].vectors, vector_of, stop);
                at::Tensor open;
                if (accessibility != nullptr)
                    open = accessibility->state().predict(starts, arms[a].vectors, vector_of, stop);
                if (!arms[a].raw.empty())
                    copy_out(predicted, arms[a].raw.subspan(used * outputs, count * outputs));
                auto const more = quantities(predicted, open);
                seen[a] = used == 0 ? more : at::cat({seen[a], more});
            }
            used = look;
            if (look < input.window_starts.size() &&
                is_precise(seen[0], seen[1], expression.outputs(), input.stop_se))
                break;
        }
        for (auto const& arm : arms)
            if (!arm.raw.empty())
                std::ranges::fill(arm.raw.subspan(used * outputs), std::numeric_limits<float>::quiet_NaN());
        auto const values = with_differences(std::move(seen));  // (arms, n, quantities)
        std::vector<at::Tensor> parts{moments(values).flatten()};
        for (std::size_t c = 0; c < shape.classes.size(); ++c) {
            std::vector<std::int64_t> members;
            for (std::size_t i = 0; i < std::min(used, input.site_classes.size()); ++i) {
                if (input.site_classes[i] == static_cast<std::int32_t>(c)) {
                    members.push_back(static_cast<std::int64_t>(i));
                }
            }
            auto const count = static_cast<double>(members.size());
            auto const chosen = at::index_select(values, 1, index_tensor(members, values.device()));
            parts.push_back(at::full({1}, count, values.options()));
            parts.push_back(
                chosen.sum(at::IntArrayRef{1}).div(count).transpose(0, 1).flatten());  // 0 / 0: NaN
        }
        auto const all = at::cat(parts);
        ensure(all.numel() == static_cast<std::int64_t>(statistics.size()),
               "screen_element: names and values of the statistics differ in number");
        at::from_blob(statistics.data(), {all.numel()}, at::kDouble).copy_(all);
    });
    return used;
}

}  // namespace mpira::model
