#include "cli/train_status.hpp"

#include <fmt/format.h>

#include "mpira/base/text.hpp"

namespace mpira::cli {
namespace {

/// ", validation loss 0.1234, Pearson 0.456" of the figures that are there.
std::string figures(nlohmann::json const& record) {
    std::string out;
    auto const add = [&](nlohmann::json const& from, char const* key, char const* name) {
        if (!from.is_object() || !from.contains(key) || !from.at(key).is_number()) return;
        out += fmt::format("{}{} {:.4g}", out.empty() ? "" : ", ", name, from.at(key).get<double>());
    };
    add(record, "train_loss", "training loss");
    if (record.contains("validation")) {
        add(record.at("validation"), "loss", "validation loss");
        add(record.at("validation"), "pearson", "Pearson");
    }
    return out;
}

char const* outcome_of(train::RunStatus const& status) {
    if (status.finished) return "done";
    return status.running ? "running" : "partial";
}

std::string next_step(train::RunStatus const& status) {
    std::string const again = "run the same mpira train command again; ";
    if (!status.saved) return again + "it begins anew: there is no checkpoint yet";
    return again + fmt::format("it goes on after epoch {}", *status.saved);
}

}  // namespace

std::string train_status_text(train::RunStatus const& status) {
    auto const& files = status.files;
    if (!status.trained_here) {
        auto const folder = files.weights.parent_path();
        return fmt::format(
            "{}: weights of a {}, {}; mpira weights says more\noutcome    done\n", files.weights.string(),
            status.network,
            folder.extension() == ".weights"
                ? fmt::format("a run of the sweep {}", (folder.parent_path() / folder.stem()).string())
                : fmt::format("not trained here by mpira train (there is no {})",
                              files.metrics.filename().string()));
    }
    std::string out = fmt::format("{}: weights of mpira train\n", files.weights.string());
    out += fmt::format("outcome    {}\n", outcome_of(status));
    out += fmt::format("epochs     {}{} done{}\n", status.epochs_done,
                       status.epochs ? fmt::format(" of {}", *status.epochs) : "",
                       status.last_written_s
                           ? fmt::format(", last written {} ago", text::duration(*status.last_written_s))
                           : "");
    if (auto const last = figures(status.last); !last.empty()) out += fmt::format("last       {}\n", last);
    if (status.saved)
        out += fmt::format("checkpoint {}, after epoch {}\n", files.checkpoint.string(), *status.saved);
    if (!status.finished && !status.running) out += fmt::format("next       {}\n", next_step(status));
    return out;
}

nlohmann::json train_status_json(train::RunStatus const& status) {
    nlohmann::json object{{"job", status.trained_here ? "train" : "weights"},
                          {"outcome", outcome_of(status)},
                          {"weights", status.files.weights.string()},
                          {"epochs_done", status.epochs_done},
                          {"last", status.last}};
    if (status.epochs) object["epochs"] = *status.epochs;
    if (status.saved) object["checkpoint_epoch"] = *status.saved;
    return object;
}

}  // namespace mpira::cli
