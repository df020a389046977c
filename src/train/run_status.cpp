#include "mpira/train/run_status.hpp"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <string>
#include <string_view>

#include "mpira/base/error.hpp"
#include "mpira/model/weights.hpp"

#include "train/checkpoint_head.hpp"
#include "train/run_lock.hpp"

namespace mpira::train {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kWeights = ".safetensors";
constexpr std::string_view kCheckpoint = ".checkpoint.safetensors";
constexpr std::string_view kMetrics = ".metrics.jsonl";

/// W.safetensors for any file of the run.
std::optional<fs::path> weights_of(fs::path const& file) {
    auto const name = file.filename().string();
    for (auto const ending : {kCheckpoint, kMetrics, kWeights}) {
        if (name.size() <= ending.size() || !name.ends_with(ending)) continue;
        auto stem = name.substr(0, name.size() - ending.size());
        return file.parent_path() / stem.append(kWeights);
    }
    return std::nullopt;
}

std::optional<std::uint64_t> count(nlohmann::json const& from, char const* key) {
    auto const found = from.is_object() ? from.find(key) : from.end();
    if (found == from.end() || !found->is_number_integer()) return std::nullopt;
    return found->get<std::uint64_t>();
}

/// Lines that are whole: the last one may just be written.
void read_metrics(RunStatus& status) {
    std::ifstream in(status.files.metrics);
    for (std::string line; std::getline(in, line);) {
        auto record = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
        if (!record.is_object()) continue;
        ++status.epochs_done;
        status.last = std::move(record);
    }
    status.epochs = count(status.last, "epochs");
}

/// Of the checkpoint, or of the one before it where that is missing or broken: what a resume would take.
nlohmann::json head_of(fs::path const& checkpoint) {
    auto const previous = previous_of(checkpoint);
    if (!fs::exists(previous)) return checkpoint_head(model::SafetensorsFile(checkpoint));
    try {
        return checkpoint_head(model::SafetensorsFile(checkpoint));
    } catch (Error const& error) {
        if (error.origin() != Origin::usage) throw;
        return checkpoint_head(model::SafetensorsFile(previous));
    }
}

void read_checkpoint(RunStatus& status) {
    auto const head = head_of(status.files.checkpoint);
    status.saved = count(head.at("progress"), "epoch");
    status.epochs = count(head.at("identity"), "train.epochs");
    auto const& history = head.at("progress").value("history", nlohmann::json::array());
    if (status.epochs_done == 0 && history.is_array() && !history.empty()) {  // the metrics were moved away
        status.epochs_done = history.size();
        status.last = history.back();
    }
}

}  // namespace

RunFiles::RunFiles(fs::path const& output)
    : weights(output), metrics(output), predictions(output), checkpoint(output) {
    metrics.replace_extension(kMetrics);
    predictions.replace_extension(".heldout.tsv");
    checkpoint.replace_extension(kCheckpoint);
}

std::optional<RunStatus> run_status(fs::path const& file) {
    auto const weights = weights_of(file);
    if (!weights) return std::nullopt;
    RunStatus status{.files = RunFiles(*weights),
                     .finished = fs::exists(*weights),
                     .network = {},
                     .trained_here = true,
                     .epochs_done = 0,
                     .epochs = std::nullopt,
                     .saved = std::nullopt,
                     .last = nullptr,
                     .last_written_s = std::nullopt,
                     .running = false};
    bool const has_checkpoint =
        fs::exists(status.files.checkpoint) || fs::exists(previous_of(status.files.checkpoint));
    if (!status.finished && !has_checkpoint && !fs::exists(status.files.metrics)) return std::nullopt;
    status.running = !status.finished && RunLock::is_held(status.files.metrics);
    // A run that wrote them leaves its metrics too; those of mpira folds and launch/convert have none.
    if (status.finished) status.network = model::Weights(*weights, model::WeightsKind::any).card().network();
    status.trained_here = fs::exists(status.files.metrics) || has_checkpoint;
    read_metrics(status);
    if (has_checkpoint) read_checkpoint(status);
    for (auto const& written : {status.files.metrics, status.files.checkpoint}) {
        std::error_code code;
        auto const time = fs::last_write_time(written, code);
        if (code) continue;
        double const age_s = std::chrono::duration<double>(fs::file_time_type::clock::now() - time).count();
        status.last_written_s = std::max(0.0, std::min(age_s, status.last_written_s.value_or(age_s)));
    }
    return status;
}

}  // namespace mpira::train
