#include "mpira/train/record.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include <nlohmann/json.hpp>

#include "mpira/base/error.hpp"
#include "mpira/train/metrics.hpp"

namespace mpira::train {

namespace {

// JSON has no NaN.
nlohmann::json number_or_null(double value) {
    return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json();
}
double number_of(nlohmann::json const& json) {
    return json.is_number() ? json.get<double>() : std::numeric_limits<double>::quiet_NaN();
}

constexpr char const* kTestCurve = "test_never_used_for_selection";

}  // namespace

Score score_entries(std::span<float const> predicted, std::span<float const> target,
                    std::span<std::uint8_t const> scored, double loss) {
    ensure(predicted.size() == target.size() && (scored.empty() || scored.size() == target.size()),
           "predictions, targets and scored entries differ in number");
    std::vector<float> kept_predicted;
    std::vector<float> kept_target;
    for (std::size_t i = 0; i < scored.size(); ++i) {
        if (scored[i] == 0) continue;
        kept_predicted.push_back(predicted[i]);
        kept_target.push_back(target[i]);
    }
    bool const some = kept_target.size() < target.size() && !scored.empty();
    std::span<float const> const p = some ? std::span<float const>(kept_predicted) : predicted;
    std::span<float const> const t = some ? std::span<float const>(kept_target) : target;
    return {.loss = loss,
            .pearson = pearson(p, t),
            .spearman = spearman(p, t),
            .r2 = r2(p, t),
            .auroc = is_binary(t) ? auroc(p, t) : kUndefined,
            .entries = p.size(),
            .pearson_all = some ? pearson(predicted, target) : kUndefined,
            .spearman_all = some ? spearman(predicted, target) : kUndefined,
            .r2_all = some ? r2(predicted, target) : kUndefined};
}

nlohmann::json to_json(Score const& score) {
    nlohmann::json json{
        {"loss", number_or_null(score.loss)},         {"pearson", number_or_null(score.pearson)},
        {"spearman", number_or_null(score.spearman)}, {"r2", number_or_null(score.r2)},
        {"auroc", number_or_null(score.auroc)},       {"entries", score.entries}};
    if (std::isfinite(score.pearson_all)) {
        json["all_entries"] = {{"pearson", number_or_null(score.pearson_all)},
                               {"spearman", number_or_null(score.spearman_all)},
                               {"r2", number_or_null(score.r2_all)}};
    }
    return json;
}

Score score_of(nlohmann::json const& json) {
    auto const all = json.value("all_entries", nlohmann::json::object());
    auto const of_all = [&](char const* key) { return number_of(all.value(key, nlohmann::json())); };
    return {.loss = number_of(json.at("loss")),
            .pearson = number_of(json.at("pearson")),
            .spearman = number_of(json.at("spearman")),
            .r2 = number_of(json.at("r2")),
            .auroc = number_of(json.at("auroc")),
            .entries = json.at("entries"),
            .pearson_all = of_all("pearson"),
            .spearman_all = of_all("spearman"),
            .r2_all = of_all("r2")};
}

nlohmann::json to_json(EpochRecord const& record) {
    nlohmann::json json{{"epoch", record.epoch},     {"step", record.step},
                        {"lr", record.lr},           {"train_loss", number_or_null(record.train_loss)},
                        {"seconds", record.seconds}, {"waited_s", record.waited_s}};
    if (record.validation) json["validation"] = to_json(*record.validation);
    if (record.test_curve) json[kTestCurve] = to_json(*record.test_curve);
    return json;
}

EpochRecord record_of(nlohmann::json const& json) {
    EpochRecord record{.epoch = json.at("epoch"),
                       .step = json.at("step"),
                       .lr = json.at("lr"),
                       .train_loss = number_of(json.at("train_loss")),
                       .seconds = json.at("seconds"),
                       .waited_s = json.value("waited_s", 0.0),
                       .validation = std::nullopt,
                       .test_curve = std::nullopt};
    if (json.contains("validation")) record.validation = score_of(json.at("validation"));
    if (json.contains(kTestCurve)) record.test_curve = score_of(json.at(kTestCurve));
    return record;
}

}  // namespace mpira::train
