#include "mpira/train/estimators.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <string_view>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/train/schema.hpp"

namespace mpira::train {

namespace {

/// A setting that only one kind of estimator has.
struct OwnKey {
    std::string_view kind;
    std::string_view key;
};
constexpr std::array<OwnKey, 7> kOwnKeys{{{"ridge", "baseline.alpha"},
                                          {"forest", "baseline.trees"},
                                          {"forest", "baseline.depth"},
                                          {"forest", "baseline.bootstrap"},
                                          {"svr", "baseline.epsilon"},
                                          {"svr", "baseline.c"},
                                          {"svr", "baseline.tolerance"}}};

/// Networks' settings, but init.weights and lora.rank, which an estimator refuses by value.
bool is_of_networks(std::string_view key) {
    constexpr std::array<std::string_view, 4> kGroups{"mask.", "window.", "train.", "checkpoint."};
    if (std::ranges::any_of(kGroups, [&](auto group) { return key.starts_with(group); })) return true;
    return (key.starts_with("model.") && key != "model.kind") ||
           (key.starts_with("lora.") && key != "lora.rank") || key == "validation.test_curve";
}

}  // namespace

bool is_estimator(Settings const& settings) {
    auto const& kind = settings.text("model.kind");
    return std::ranges::any_of(kOwnKeys, [&](OwnKey const& own) { return own.kind == kind; });
}

std::vector<std::string> estimator_keys() {
    std::vector<std::string> keys;
    for (auto const& own : kOwnKeys) keys.emplace_back(own.key);
    return keys;
}

std::vector<std::string> keys_without_effect(Settings const& settings) {
    auto const& kind = settings.text("model.kind");
    std::vector<std::string> keys;
    for (auto const& own : kOwnKeys) {
        if (own.kind != kind) keys.emplace_back(own.key);
    }
    if (is_estimator(settings)) {
        for (auto const& spec : train_schema()) {
            if (is_of_networks(spec.key)) keys.push_back(spec.key);
        }
    }
    return keys;
}

void check_estimator_settings(Settings const& settings) {
    auto const& kind = settings.text("model.kind");
    if (settings.text("target.kind") == "masked") {
        settings.refuse("model.kind", fmt::format("{} can't be pretrained; only GET is, by masking", kind));
    }
    if (!settings.text("init.weights").empty()) {
        settings.refuse("init.weights",
                        fmt::format("{} starts from no weights; give its setting \"init.weights=\"", kind));
    }
    if (!settings.texts("input.cutoffs").empty()) {
        settings.refuse("input.cutoffs",
                        fmt::format("{} reads no windows; give its setting \"input.cutoffs=\"", kind));
    }
    if (settings.integer("lora.rank") > 0) {
        settings.refuse("lora.rank",
                        fmt::format("{} has no adaptors; give its setting \"lora.rank=0\"", kind));
    }
}

std::unique_ptr<model::Estimator> make_estimator(Settings const& settings, model::EstimatorShape shape) {
    auto const& kind = settings.text("model.kind");
    if (kind == "ridge") return model::make_ridge(shape, settings.number("baseline.alpha"));
    if (kind == "forest") {
        return model::make_forest(shape, {.trees = settings.count("baseline.trees"),
                                          .depth = settings.count("baseline.depth"),
                                          .bootstrap = settings.flag("baseline.bootstrap"),
                                          .seed = settings.count("seed")});
    }
    ensure(kind == "svr", "a baseline of no kind");
    return model::make_svr(shape, {.epsilon = settings.number("baseline.epsilon"),
                                   .c = settings.number("baseline.c"),
                                   .tolerance = settings.number("baseline.tolerance"),
                                   .seed = settings.count("seed")});
}

double estimator_cost(Settings const& settings, Inputs const& inputs) {
    // A weight is three multiplications a region and epoch, with the backward pass.
    auto const columns = static_cast<double>(inputs.table.motifs() + 1) / 3;
    auto const outputs = static_cast<double>(inputs.table.outputs);
    auto const& kind = settings.text("model.kind");
    if (kind == "ridge") return columns * columns * 3 / 2;
    if (kind == "forest") {
        constexpr double kLevel = 5;  // steps an input and level
        return columns * kLevel * outputs *
               static_cast<double>(settings.count("baseline.trees") * settings.count("baseline.depth"));
    }
    constexpr double kIterations = 1000;  // at most; two passes over a region's inputs each
    return columns * 2 * outputs * kIterations;
}

}  // namespace mpira::train
