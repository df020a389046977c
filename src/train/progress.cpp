#include "progress.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mpira/base/error.hpp"

namespace mpira::train {

nlohmann::json to_json(Progress const& progress) {
    auto records = nlohmann::json::array();
    for (auto const& record : progress.history) records.push_back(to_json(record));
    return {{"epoch", progress.epoch},
            {"step", progress.step},
            {"step_in_epoch", progress.step_in_epoch},
            {"epoch_loss", progress.epoch_loss},
            {"epoch_entries", progress.epoch_entries},
            {"last_lr", progress.last_lr},
            {"best_loss", progress.best_loss ? nlohmann::json(*progress.best_loss) : nlohmann::json()},
            {"best_epoch", progress.best_epoch},
            {"history", std::move(records)}};
}

Progress progress_of(nlohmann::json const& json, std::filesystem::path const& file) try {
    Progress progress{.epoch = json.at("epoch"),
                      .step = json.at("step"),
                      .step_in_epoch = json.at("step_in_epoch"),
                      .epoch_loss = json.at("epoch_loss"),
                      .epoch_entries = json.at("epoch_entries"),
                      .last_lr = json.at("last_lr"),
                      .best_loss = std::nullopt,
                      .best_epoch = json.at("best_epoch"),
                      .history = {}};
    if (json.at("best_loss").is_number()) progress.best_loss = json.at("best_loss").get<double>();
    for (auto const& record : json.at("history")) progress.history.push_back(record_of(record));
    return progress;
} catch (nlohmann::json::exception const& error) {
    fail_usage(fmt::format("{}: the progress of this checkpoint can't be read ({}); start over with --fresh",
                           file.string(), error.what()));
}

}  // namespace mpira::train
