#include "mpira/train/run.hpp"

#include <cmath>
#include <fstream>
#include <memory>
#include <system_error>

#include <ATen/Parallel.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include "mpira/base/draft_file.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/base/text.hpp"
#include "mpira/base/whole_file.hpp"
#include "mpira/model/weights.hpp"
#include "mpira/train/checkpoint.hpp"
#include "mpira/train/estimators.hpp"
#include "mpira/train/fit.hpp"
#include "mpira/train/inputs.hpp"
#include "mpira/train/run_status.hpp"
#include "mpira/train/settings.hpp"

#include "train/run_lock.hpp"

namespace mpira::train {

namespace {

namespace fs = std::filesystem;
using Files = RunFiles;

std::string figures(Score const& score) {
    auto text = fmt::format("Pearson {:.3f}", score.pearson);
    if (std::isfinite(score.auroc)) text += fmt::format(", AUROC {:.3f}", score.auroc);
    return text + fmt::format(", loss {:.4f}", score.loss);
}

// A line of the metrics file; what the base saw of the held-out part is said beside every figure.
std::string line_of(EpochRecord const& record, Inputs const& inputs) {
    auto json = to_json(record);
    // For the status: before the first checkpoint, and when that is gone, nothing else says it.
    json["epochs"] = inputs.recipe.epochs;
    if (!inputs.base_saw.empty()) json["base_saw"] = inputs.base_saw;
    return json.dump() + '\n';
}

std::string predictions_text(Settings const& settings, Inputs const& inputs,
                             std::span<float const> predicted) {
    auto const& table = inputs.table;
    auto const regions = inputs.atlas->regions();
    auto const names = output_names(settings);
    auto const region_names = inputs.atlas->region_names();
    bool const several = inputs.cell_types.size() > 1;
    std::string text = "region\tchrom\tstart\tend";
    if (several) text += "\tcell_type";
    bool const some_scored = !table.scored.empty();  // those that figures are over
    for (auto const& name : names) {
        text += fmt::format("\ttarget_{0}\tpredicted_{0}", name);
        if (some_scored) text += fmt::format("\tscored_{}", name);
    }
    text += '\n';
    std::size_t at = 0;  // among the predictions
    for (auto const& run : inputs.test_runs) {
        for (auto place = run.first; place < run.end; ++place) {
            auto const row = table.rows[place];
            text += fmt::format("{}\t{}\t{}\t{}", region_names[row],
                                regions.chrom_names[static_cast<std::size_t>(regions.chrom[row])],
                                regions.start[row], regions.end[row]);
            if (several) text += '\t' + table.cell_types[table.cell_type_of(place)].name;
            for (std::uint64_t output = 0; output < table.outputs; ++output) {
                auto const entry = place * table.outputs + output;
                text += fmt::format("\t{}\t{}", table.targets[entry], predicted[at++]);
                if (some_scored) text += fmt::format("\t{}", table.scored[entry]);
            }
            text += '\n';
        }
    }
    return text;
}

// Whether reading kept up with training.
std::string waiting_text(std::span<EpochRecord const> history) {
    double seconds = 0;
    double waited_s = 0;
    for (auto const& record : history) {
        seconds += record.seconds;
        waited_s += record.waited_s;
    }
    return fmt::format("{:.1f} s of training steps, {:.2f} % of them waiting for windows to be read", seconds,
                       seconds > 0 ? 100 * waited_s / seconds : 0.0);
}

// Whether the run that this output stands for was finished before. Refuses an output that is something else.
bool is_finished(Files const& files, nlohmann::json const& identity, RunOptions const& options) {
    if (!fs::exists(files.weights)) return false;
    auto const name = files.weights.string();
    if (options.fresh) {
        require(options.overwrite, fmt::format("{} exists; --fresh --overwrite renames it to {}", name,
                                               aside_name(files.weights).string()));
        return false;
    }
    model::Weights const weights(files.weights, model::WeightsKind::any);
    auto const& training = weights.card().training;
    auto const stored = training.is_object() ? training.value("identity", nlohmann::json::object())
                                             : nlohmann::json::object();
    for (auto const& [key, value] : identity.items()) {
        require(stored.contains(key) && stored.at(key) == value,
                fmt::format("{} holds the weights of another run ({} differs); name another --output, or "
                            "rename it to .old with --fresh --overwrite",
                            name, key));
    }
    return true;
}

void check_output(Files const& files) {
    auto const name = files.weights.string();
    require(!files.weights.empty(), "where should the weights go? --output FILE.safetensors");
    require(files.weights.extension() == ".safetensors",
            fmt::format("{}: the name of weights ends in .safetensors", name));
    require_file_or_nothing(files.weights);
    auto const folder = files.weights.has_parent_path() ? files.weights.parent_path() : fs::path(".");
    require(fs::is_directory(folder),
            fmt::format("{}: there is no folder {}; make it first (mkdir -p)", name, folder.string()));
}

// The files of a finished run get other names, the weights last: until then a start finds it finished.
void put_aside(Files const& files) {
    if (!fs::exists(files.weights)) return;
    if (fs::exists(files.metrics) && fs::file_size(files.metrics) > 0)
        fs::copy_file(files.metrics, aside_name(files.metrics));  // the file itself carries this run's lock
    for (auto const& file : {files.predictions, files.weights})
        if (fs::exists(file)) fs::rename(file, aside_name(file));
}

// The lock that this run writes its files under, made ready for it; nothing when it was finished before.
std::unique_ptr<RunLock> take_output(Files const& files, nlohmann::json const& identity,
                                     RunOptions const& options) {
    if (is_finished(files, identity, options)) return nullptr;
    auto lock = std::make_unique<RunLock>(files.metrics);
    if (is_finished(files, identity, options)) return nullptr;  // by a run that was just ending
    if (options.fresh) {
        remove_checkpoint(files.checkpoint);
        put_aside(files);
    }
    return lock;
}

int train_and_write(comm::CommView comm, Settings const& settings, RunOptions const& options,
                    Files const& files, Inputs const& inputs) {
    bool const root = comm.is_root();
    std::ofstream metrics;
    FitOptions fitting{.device = options.device,
                       .checkpoint = files.checkpoint,
                       .stop_requested = options.stop_requested,
                       .on_start = {},
                       .on_epoch = {}};
    if (root) {
        fitting.on_start = [&](FitStart const& start) {
            log::info("{}", inputs.atlas->describe());
            log::info("{} of {} parameters{} on {}; {} regions to train on, {} to validate, {} held out",
                      start.network.kind, start.parameters,
                      start.trainable_parameters == start.parameters
                          ? ""
                          : fmt::format(", {} of them trained,", start.trainable_parameters),
                      text::counted(comm.size(), "rank"), start.train_regions, count(inputs.validation_runs),
                      count(inputs.test_runs));
            log::info("{} epochs, {} steps of {} windows", inputs.recipe.epochs, start.total_steps,
                      inputs.recipe.batch);
            for (auto const& sentence : inputs.warnings) log::warning("{}", sentence);
            if (inputs.recipe.epochs == 0)
                log::warning(
                    "train.epochs = 0: nothing is trained; the weights are those that it begins with");
            for (auto const& sentence : inputs.base_saw) log::info("note: {}", sentence);
            if (start.resumed) {
                log::info("resumed from {}: {} epochs done", files.checkpoint.string(), start.history.size());
            }
            // The log is rewritten from the checkpoint's history, so that it never holds an epoch twice; in
            // place, since the file carries the lock of this run.
            metrics.open(files.metrics);
            for (auto const& record : start.history) metrics << line_of(record, inputs);
            metrics.flush();
        };
        fitting.on_epoch = [&](EpochRecord const& record) {
            metrics << line_of(record, inputs) << std::flush;
            auto text = fmt::format("epoch {}/{}: loss {:.4f}", record.epoch, inputs.recipe.epochs,
                                    record.train_loss);
            if (record.validation) text += "; validation " + figures(*record.validation);
            if (record.test_curve) {
                text += "; test (never used for selection) " + figures(*record.test_curve);
            }
            log::info("{}, lr {:.2e}, {:.2f} s", text, record.lr, record.seconds);
        };
    }
    auto const learned = fit(comm, settings, inputs, fitting);
    if (learned.outcome == Outcome::stopped) {
        if (root)
            log::info("stopped; run the same command again to go on from {}", files.checkpoint.string());
        return 3;
    }
    comm::everywhere(comm, [&] {
        if (!root) return;
        if (learned.ended_early) {
            log::info("no smaller validation loss for {} epochs: ended after epoch {}",
                      inputs.recipe.patience, learned.history.size());
        }
        log::info("{}", waiting_text(learned.history));
        if (learned.held_out) {
            log::info("held out ({} regions, epoch {}): {}", count(inputs.test_runs), learned.kept_epoch,
                      figures(*learned.held_out));
            if (!learned.predicted.empty()) {
                write_whole(files.predictions, predictions_text(settings, inputs, learned.predicted));
            }
        }
        learned.kept->write(files.weights, learned.card);
        remove_checkpoint(files.checkpoint);
        log::info("weights: {}", files.weights.string());
    });
    return 0;
}

}  // namespace

int run_train(comm::CommView comm, Settings const& settings, RunOptions const& options) try {
    Files const files(options.output);
    comm::everywhere(comm, [&] {
        if (is_estimator(settings)) {
            settings.refuse(
                "model.kind",
                fmt::format("{} is a baseline of mpira folds, which leaves predictions and figures "
                            "but no weights; run it there, beside networks",
                            settings.text("model.kind")));
        }
        // Not of sweeps, which may hold adaptors beside whole networks.
        if (settings.integer("lora.rank") == 0) {
            for (auto const* const key : {"lora.alpha", "lora.scope"})
                settings.refuse_given(key, "is of adaptors; give lora.rank (published: 8)");
        }
        if (comm.is_root()) check_output(files);
    });
    auto const inputs = comm::everywhere(comm, [&] { return read_inputs(settings); });
    at::set_num_threads(static_cast<int>(settings.integer("threads")));
    auto const lock = comm::everywhere(
        comm, [&] { return comm.is_root() ? take_output(files, inputs.identity, options) : nullptr; });
    if (comm.bcast_value(comm.is_root() && !lock)) {
        if (comm.is_root()) log::info("{} is finished already; nothing to do", files.weights.string());
        return 0;
    }
    return train_and_write(comm, settings, options, files, inputs);
} catch (c10::Error const& error) {
    throw Error(Origin::torch, error.what_without_backtrace());
}

}  // namespace mpira::train
