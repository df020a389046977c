#include "mpira/train/run.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <memory>
#include <numeric>
#include <system_error>

#include <ATen/Parallel.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/atlas/atlas.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/base/text.hpp"
#include "mpira/genome/scan_model.hpp"
#include "mpira/model/weights.hpp"
#include "mpira/train/holdout.hpp"
#include "mpira/train/settings.hpp"
#include "mpira/train/trainer.hpp"

namespace mpira::train {

namespace {

namespace fs = std::filesystem;
using genome::PlaceRange;

/// Everything a run reads, checked.
struct Inputs {
    atlas::Atlas atlas;
    TrainingTable table;
    Holdout holdout;
    std::vector<Use> uses;
    std::vector<PlaceRange> test_runs;
    std::vector<PlaceRange> validation_runs;
    model::GetConfig network;
    Recipe recipe;
    nlohmann::json identity;
};

struct Files {
    explicit Files(fs::path const& output)
        : weights(output), metrics(output), predictions(output), checkpoint(output) {
        metrics.replace_extension(".metrics.jsonl");
        predictions.replace_extension(".heldout.tsv");
        checkpoint.replace_extension(".checkpoint.safetensors");
    }
    fs::path weights;
    fs::path metrics;
    fs::path predictions;
    fs::path checkpoint;
};

TrainingTable table_of(Settings const& settings, atlas::Atlas const& atlas) {
    bool const expression = settings.text("target.kind") == "expression";
    auto const& cell_type = settings.text("target.cell_type");
    auto const& mode = settings.text("input.accessibility");
    bool const accessible_only = settings.text("input.rows") == "accessible";
    if (cell_type.empty() && (!expression || mode != "constant" || accessible_only)) {
        settings.refuse("target.cell_type", fmt::format("is needed; {} has {}", atlas.file().string(),
                                                        fmt::join(atlas.cell_types(), ", ")));
    }
    if (!expression && mode != "constant") {
        settings.refuse("input.accessibility", "an accessibility model sees 1; leave it at \"constant\"");
    }
    if (mode == "binarised" && !accessible_only) {
        settings.refuse("input.rows", "binarised accessibility needs input.rows = \"accessible\"");
    }

    TrainingTable table;
    table.features = atlas.features();
    table.scales = atlas.scale(settings.text("input.scale_set"));
    table.rows = accessible_only ? atlas.accessible_rows(cell_type) : atlas.all_rows();
    if (table.rows.empty()) {
        settings.refuse("input.rows", fmt::format("no region is accessible in {}", cell_type));
    }
    auto const places = table.places();
    std::vector<std::vector<float>> columns;
    if (expression) {
        for (auto const& name : settings.texts("target.expression"))
            columns.push_back(atlas.expression(name));
        if (mode == "quantitative") {
            auto const all = atlas.accessibility(cell_type);
            table.accessibility.reserve(places);
            for (auto const row : table.rows) table.accessibility.push_back(std::min(1.0F, all[row]));
        }
        if (auto const promoter = atlas.promoter(); !promoter.empty()) {
            for (auto const row : table.rows) {
                table.scored.insert(table.scored.end(), columns.size(), promoter[row]);
            }
        }
    } else {
        columns.push_back(atlas.accessibility(cell_type));
    }
    table.outputs = columns.size();
    table.targets.reserve(places * table.outputs);
    for (auto const row : table.rows) {
        for (auto const& column : columns) table.targets.push_back(column[row]);
    }
    return table;
}

nlohmann::json texts_of(std::span<genome::HeldOutInterval const> intervals) {
    auto texts = nlohmann::json::array();
    for (auto const& interval : intervals) texts.push_back(genome::to_text(interval));
    return texts;
}

Inputs read_inputs(Settings const& settings) {
    auto atlas = atlas::Atlas::open(settings.path("atlas"));
    auto table = table_of(settings, atlas);
    auto const regions = atlas.regions();
    auto holdout = holdout_of(settings, regions);
    auto uses = assign_uses(regions, table.rows, holdout);
    auto test = runs_of(regions, table.rows, uses, Use::test);
    auto validation = runs_of(regions, table.rows, uses, Use::validation);
    auto const network = network_of(settings, table.motifs());
    // Which rows are held out, by interval: a table of folds may be edited between runs.
    auto identity = settings.to_json(/*result_only=*/true);
    identity["atlas"] = atlas.content_hash();
    identity["test intervals"] = texts_of(holdout.test);
    identity["validation intervals"] = texts_of(holdout.validation);
    identity.erase("holdout.folds");
    return {.atlas = std::move(atlas),
            .table = std::move(table),
            .holdout = std::move(holdout),
            .uses = std::move(uses),
            .test_runs = std::move(test),
            .validation_runs = std::move(validation),
            .network = network,
            .recipe = recipe_of(settings),
            .identity = std::move(identity)};
}

model::ModelCard card_of(Settings const& settings, Inputs const& inputs) {
    model::ModelCard card;
    card.architecture = inputs.network;
    card.assembly = inputs.atlas.assembly();
    card.motifs = inputs.atlas.feature_names();
    card.scan_hash = inputs.atlas.scan_model().hash();
    card.window = settings.integer("window.regions");
    card.focus = card.window / 2;
    card.accessibility = model::accessibility_mode(settings.text("input.accessibility"), settings.source());
    card.cell_type = settings.text("target.cell_type");
    card.scale_set = settings.text("input.scale_set");
    card.scales.assign(inputs.table.scales.begin(), inputs.table.scales.end());
    for (auto const& interval : inputs.holdout.test) {
        auto const end = interval.end == genome::HeldOutInterval::kWhole
                             ? std::numeric_limits<std::int64_t>::max()
                             : interval.end;
        card.held_out.push_back({interval.chrom, interval.start, end});
    }
    card.window_regions = settings.text("input.rows");
    if (settings.text("target.kind") == "expression") card.output_names = settings.texts("target.expression");
    return card;
}

std::uint64_t count(std::span<PlaceRange const> runs) {
    return std::accumulate(runs.begin(), runs.end(), std::uint64_t{0},
                           [](std::uint64_t sum, PlaceRange run) { return sum + run.size(); });
}

std::string figures(Score const& score) {
    auto text = fmt::format("Pearson {:.3f}", score.pearson);
    if (std::isfinite(score.auroc)) text += fmt::format(", AUROC {:.3f}", score.auroc);
    return text + fmt::format(", loss {:.4f}", score.loss);
}

// Text to a file, whole or not at all.
void write_atomically(fs::path const& file, std::string const& text) {
    auto aside = file;
    aside += ".new";
    {
        std::ofstream out(aside, std::ios::binary);
        out << text;
        out.close();
        if (!out) fail_errno("writing", aside.string());
    }
    fs::rename(aside, file);
}

std::string predictions_text(Settings const& settings, Inputs const& inputs,
                             std::span<float const> predicted) {
    auto const& table = inputs.table;
    auto const regions = inputs.atlas.regions();
    std::vector<std::string> names{"accessibility"};
    if (settings.text("target.kind") == "expression") names = settings.texts("target.expression");
    auto const region_names = inputs.atlas.region_names();
    std::string text = "region\tchrom\tstart\tend";
    for (auto const& name : names) text += fmt::format("\ttarget_{0}\tpredicted_{0}", name);
    text += '\n';
    for (auto const& run : inputs.test_runs) {
        for (auto place = run.first; place < run.end; ++place) {
            auto const row = table.rows[place];
            text += fmt::format("{}\t{}\t{}\t{}", region_names[row],
                                regions.chrom_names[static_cast<std::size_t>(regions.chrom[row])],
                                regions.start[row], regions.end[row]);
            for (std::uint64_t output = 0; output < table.outputs; ++output) {
                auto const at = place * table.outputs + output;
                text += fmt::format("\t{}\t{}", table.targets[at], predicted[at]);
            }
            text += '\n';
        }
    }
    return text;
}

// Whether the run that this output stands for was finished before. Refuses an output that is something else.
bool is_finished(Files const& files, nlohmann::json const& identity, RunOptions const& options) {
    if (!fs::exists(files.weights)) return false;
    auto const name = files.weights.string();
    if (options.fresh) {
        require(options.overwrite,
                fmt::format("{} exists; --fresh --overwrite renames it to {}.old", name, name));
        auto old = files.weights;
        old += ".old";
        fs::rename(files.weights, old);
        return false;
    }
    model::Weights const weights(files.weights);
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

void prepare_output(Files const& files, RunOptions const& options) {
    auto const name = files.weights.string();
    require(!files.weights.empty(), "where should the weights go? --output FILE.safetensors");
    require(files.weights.extension() == ".safetensors",
            fmt::format("{}: the name of weights ends in .safetensors", name));
    auto const folder = files.weights.has_parent_path() ? files.weights.parent_path() : fs::path(".");
    require(fs::is_directory(folder),
            fmt::format("{}: there is no folder {}; make it first (mkdir -p)", name, folder.string()));
    if (options.fresh) fs::remove(files.checkpoint);
}

int train_and_write(comm::CommView comm, Settings const& settings, RunOptions const& options,
                    Files const& files, Inputs const& inputs) {
    bool const root = comm.is_root();
    auto const regions = inputs.atlas.regions();
    auto const device = options.device < 0
                            ? at::Device(at::kCPU)
                            : at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(options.device));
    WindowPlan plan(regions, inputs.table.rows, runs_of(regions, inputs.table.rows, inputs.uses, Use::train),
                    settings.count("window.regions"), settings.integer("window.max_span_bp"));
    auto const train_regions = count(plan.runs());
    auto const& recipe = inputs.recipe;
    auto const owner = comm::everywhere(comm, [&] {
        return std::make_unique<Trainer>(comm, model::Get(inputs.network, recipe.seed, device), inputs.table,
                                         std::move(plan), inputs.validation_runs, recipe,
                                         CheckpointPolicy{.file = files.checkpoint,
                                                          .identity = inputs.identity,
                                                          .every_s = settings.number("checkpoint.every_s")});
    });
    auto& trainer = *owner;
    bool const resumed = trainer.resume();
    if (root) {
        log::info("{}", inputs.atlas.describe());
        log::info("GET of {} parameters on {} rank{}; {} regions to train on, {} to validate, {} held out",
                  inputs.network.parameter_count(), comm.size(), comm.size() == 1 ? "" : "s", train_regions,
                  count(inputs.validation_runs), count(inputs.test_runs));
        log::info("{} epochs, {} steps of {} windows", recipe.epochs, trainer.total_steps(), recipe.batch);
        if (resumed) {
            log::info("resumed from {}: {} epochs done", files.checkpoint.string(), trainer.history().size());
        }
    }

    // The log is rewritten from the checkpoint's history, so that it never holds an epoch twice.
    std::ofstream metrics;
    if (root) {
        metrics.open(files.metrics);
        for (auto const& record : trainer.history()) metrics << to_json(record).dump() << '\n';
        metrics.flush();
    }
    auto const outcome = trainer.run(options.stop_requested, [&](EpochRecord const& record) {
        if (!root) return;
        metrics << to_json(record).dump() << '\n' << std::flush;
        log::info("epoch {}/{}: loss {:.4f}{}, lr {:.2e}, {:.2f} s", record.epoch, recipe.epochs,
                  record.train_loss,
                  record.validation ? "; validation " + figures(*record.validation) : std::string(),
                  record.lr, record.seconds);
    });
    if (outcome == Outcome::stopped) {
        if (root)
            log::info("stopped; run the same command again to go on from {}", files.checkpoint.string());
        return 3;
    }

    auto card = card_of(settings, inputs);
    auto epochs = nlohmann::json::array();
    for (auto const& record : trainer.history()) {
        epochs.push_back(to_json(record));
        epochs.back().erase("seconds");  // the same training, the same file
    }
    card.training = {{"identity", inputs.identity}, {"kept_epoch", trainer.kept_epoch()}, {"epochs", epochs}};
    std::string predictions;
    if (!inputs.test_runs.empty()) {
        auto const predicted = trainer.predict(inputs.test_runs);
        auto const score = trainer.score(predicted, inputs.test_runs);
        card.training["held_out"] = to_json(score);
        if (root) {
            log::info("held out ({} regions, epoch {}): {}", count(inputs.test_runs), trainer.kept_epoch(),
                      figures(score));
            predictions = predictions_text(settings, inputs, predicted);
        }
    }
    comm::everywhere(comm, [&] {
        if (!root) return;
        if (!predictions.empty()) write_atomically(files.predictions, predictions);
        std::vector<at::Tensor> keep;
        auto const views = model::views_of(trainer.kept(), keep);
        model::write_weights(files.weights, std::move(card), views);
        fs::remove(files.checkpoint);
        log::info("weights: {}", files.weights.string());
    });
    return 0;
}

}  // namespace

int run_train(comm::CommView comm, Settings const& settings, RunOptions const& options) try {
    Files const files(options.output);
    auto const inputs = comm::everywhere(comm, [&] { return read_inputs(settings); });
    at::set_num_threads(static_cast<int>(settings.integer("threads")));
    bool const finished = comm::everywhere(comm, [&] {
        if (!comm.is_root()) return false;
        prepare_output(files, options);
        return is_finished(files, inputs.identity, options);
    });
    if (comm.bcast_value(finished)) {
        if (comm.is_root()) log::info("{} is finished already; nothing to do", files.weights.string());
        return 0;
    }
    return train_and_write(comm, settings, options, files, inputs);
} catch (c10::Error const& error) {
    throw Error(Origin::torch, error.what_without_backtrace());
}

}  // namespace mpira::train
