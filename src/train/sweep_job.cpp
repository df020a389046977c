#include "mpira/train/sweep_job.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "mpira/atlas/atlas.hpp"
#include "mpira/base/draft_file.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/base/text.hpp"
#include "mpira/base/whole_file.hpp"
#include "mpira/comm/runtime.hpp"
#include "mpira/comm/stop.hpp"
#include "mpira/model/network.hpp"
#include "mpira/model/predictor.hpp"
#include "mpira/store/anndata_reader.hpp"
#include "mpira/train/estimators.hpp"
#include "mpira/train/fit.hpp"
#include "mpira/train/fit_cost.hpp"
#include "mpira/train/inputs.hpp"
#include "mpira/train/networks.hpp"
#include "mpira/train/sweep.hpp"

#include "train/group_link.hpp"
#include "train/sweep_rows.hpp"
#include "train/torch_errors.hpp"

namespace mpira::train {

namespace {

namespace fs = std::filesystem;

std::string text_of(std::span<double const> mean, std::span<double const> sd, std::size_t figure) {
    return fmt::format("{:.3f} (sd {:.3f})", mean[figure], sd[figure]);
}

}  // namespace

struct SweepJob::State {
    State(Settings const& settings_in, comm::CommView group_in, int device_in, fs::path result_in)
        : settings(settings_in),
          group(group_in),
          device(device_in),
          result(std::move(result_in)),
          link(group_in),
          atlas(std::make_shared<atlas::Atlas const>(atlas::Atlas::open(settings.path("atlas")))),
          plan(plan_sweep(settings, *atlas)),
          rows(settings, plan, atlas) {
        at::set_num_threads(static_cast<int>(settings.integer("threads")));
    }

    [[nodiscard]] fs::path checkpoint_of(std::size_t run) const {
        return checkpoints_of(result) / (plan.runs[run].name + ".safetensors");
    }
    [[nodiscard]] fs::path weights_of(std::size_t run) const {
        return weights_folder() / (plan.runs[run].name + ".safetensors");
    }
    [[nodiscard]] fs::path weights_folder() const { return weights_of(result); }
    [[nodiscard]] static fs::path weights_of(fs::path const& result) { return beside(result, ".weights"); }
    [[nodiscard]] static fs::path checkpoints_of(fs::path const& result) {
        return beside(result, ".checkpoints");
    }
    [[nodiscard]] static fs::path beside(fs::path result, char const* suffix) { return result += suffix; }

    // One training run by the whole group; `target` is the leader's row.
    Fit train(std::size_t run, std::function<bool()> const& stop_requested,
              store::UnitRows* target = nullptr) {
        auto const& settings_of_run = plan.runs[run].settings;
        auto const inputs = comm::everywhere(group, [&] {
            if (group.is_root() && !is_estimator(settings_of_run)) {
                fs::create_directories(checkpoints_of(result));
                fs::create_directories(weights_folder());
            }
            return read_inputs(settings_of_run, atlas);
        });
        auto learned = is_estimator(settings_of_run)
                           ? fit_estimator(group, settings_of_run, inputs, stop_requested)
                           : fit(group, settings_of_run, inputs,
                                 {.device = device,
                                  .checkpoint = checkpoint_of(run),
                                  .stop_requested = stop_requested,
                                  .on_start = {},
                                  .on_epoch = {}});
        comm::everywhere(group, [&] {
            if (!group.is_root() || learned.outcome == Outcome::stopped) return;
            if (learned.kept) learned.kept->write(weights_of(run), learned.card);
            if (target != nullptr) rows.take(run, inputs, learned, *target);
        });
        return learned;
    }

    // As train(), but a failure that this rank alone has, while the others wait in a sum that it can't reach,
    // ends the job.
    template <typename Fn>
    void with_group(std::size_t run, Fn&& fn) {
        try {
            with_plain_errors(fn);
        } catch (comm::CollectiveError const&) {
            model::release_cached_device_memory();  // out of memory, perhaps: a retry starts with an empty
                                                    // cache
            throw;
        } catch (...) {
            if (group.size() > 1) {
                auto failure = comm::failure_of_current_exception();
                failure.what = fmt::format("run {}: {}", plan.runs[run].name, failure.what);
                comm::abort_job(failure);
            }
            model::release_cached_device_memory();
            throw;
        }
    }

    // FILE.weights/SERIES.tsv: fold and file, what lentimpra takes as model.weights_by_group.
    void write_weight_tables() const {
        for (std::size_t series = 0; series < plan.series(); ++series) {
            if (is_estimator(plan.runs[series * plan.folds.size()].settings)) continue;
            auto const file = weights_folder() / (plan.series_name(series) + ".tsv");
            std::string text;
            for (std::size_t fold = 0; fold < plan.folds.size(); ++fold) {
                auto const run = series * plan.folds.size() + fold;
                text += fmt::format("{}\t{}\n", plan.folds[fold], weights_of(run).filename().string());
            }
            write_whole(file, text);
        }
    }

    // Pearson of each cell type; of many, the worst and the best.
    [[nodiscard]] std::string told_by_cell_type(Spread const& by_cell_type, std::size_t series) const {
        constexpr std::size_t kMostTold = 8;
        auto const& names = atlas->cell_types();
        std::vector<std::pair<double, std::string>> told;
        for (std::size_t i = 0; i < names.size(); ++i) {
            auto const at = (series * names.size() + i) * kFigures.size() + kPearson;
            auto const mean = by_cell_type.mean[at];
            if (std::isnan(mean)) continue;
            told.emplace_back(mean, fmt::format("{} {:.3f}", names[i], mean));
            if (auto const sd = by_cell_type.sd[at]; !std::isnan(sd))
                told.back().second += fmt::format(" (sd {:.3f})", sd);
        }
        if (told.empty()) return "Pearson is defined in none";
        if (told.size() > kMostTold) {
            auto const [worst, best] = std::ranges::minmax_element(told);
            return fmt::format("{} of them, from {} to {}", told.size(), worst->second, best->second);
        }
        std::string text;
        for (auto const& [mean, words] : told) text += (text.empty() ? "" : ", ") + words;
        return text;
    }

    void tell(SweepSummary const& summary) const {
        for (std::size_t series = 0; series < plan.series(); ++series) {
            auto const of = [&](std::vector<double> const& values) {
                return std::span(values).subspan(series * kFigures.size(), kFigures.size());
            };
            auto const defined = summary.all.folds[series * kFigures.size() + kPearson];
            auto line = fmt::format(
                "{}: held-out Pearson {} over {} folds, pooled {:.3f}", plan.series_name(series),
                text_of(of(summary.all.mean), of(summary.all.sd), kPearson),
                defined == plan.folds.size() ? std::to_string(defined)
                                             : fmt::format("the {} of {}", defined, plan.folds.size()),
                summary.pooled[series].pearson);
            if (summary.recipe) {
                line += fmt::format("; folds the recipe was chosen on {}, the others {}",
                                    text_of(of(summary.recipe->mean), of(summary.recipe->sd), kPearson),
                                    text_of(of(summary.other->mean), of(summary.other->sd), kPearson));
            }
            log::info("{}", line);
            if (summary.by_cell_type) {
                log::info("  by cell type: {}", told_by_cell_type(*summary.by_cell_type, series));
            }
            if (summary.training_mean) {
                log::info("  beside the mean of the training cell types {}: {} on the same entries",
                          text_of(of(summary.training_mean->mean), of(summary.training_mean->sd), kPearson),
                          text_of(of(summary.beside_training_mean->mean),
                                  of(summary.beside_training_mean->sd), kPearson));
            }
            if (!summary.across_cell_types.empty()) {
                auto const& across = summary.across_cell_types[series];
                log::info(
                    "  across cell types, medians over {} targets (region and output): Pearson {:.3f}, "
                    "Spearman {:.3f}, R2 {:.3f}",
                    across.cell_types.size(), across.median[0], across.median[1], across.median[2]);
            }
        }
        for (auto const& sentence : rows.warnings()) log::warning("{}", sentence);
        for (auto const& sentence : rows.what_bases_saw()) log::info("note: {}", sentence);
        if (summary.best && plan.settings.size() > 1) {
            auto const& run = plan.runs[summary.best->run];
            log::info(
                "least mean validation loss over folds and seeds: {:.4f}, setting {} ({}); its best run {}",
                summary.best->mean_validation_loss, run.setting,
                run.overrides.empty() ? "no overrides" : run.overrides, run.name);
        }
    }

    Settings settings;
    comm::CommView group;
    int device;
    fs::path result;
    GroupLink link;
    std::shared_ptr<atlas::Atlas const> atlas;
    SweepPlan plan;
    SweepRows rows;
    bool dismissed = false;
};

SweepJob::SweepJob(Settings const& settings, comm::CommView group, int device, fs::path result)
    : state_(std::make_unique<State>(settings, group, device, std::move(result))) {}
SweepJob::~SweepJob() = default;

store::ResultLayout const& SweepJob::layout() const {
    return state_->rows.layout();
}

store::ResultTables SweepJob::tables() const {
    return state_->rows.tables();
}

double SweepJob::relative_cost(std::uint64_t unit) const {
    return state_->rows.relative_cost(unit);
}

void SweepJob::run(std::uint64_t unit, store::UnitRows& rows, std::stop_token stop) {
    auto& s = *state_;
    Fit learned;
    s.with_group(unit, [&] {
        s.link.send(static_cast<std::int64_t>(unit));
        learned = s.train(
            unit, [&] { return stop.stop_requested(); }, &rows);
    });
    if (learned.outcome == Outcome::finished) {
        auto text =
            fmt::format("{}: held-out Pearson {:.3f}", s.plan.runs[unit].name, learned.held_out->pearson);
        if (learned.kept) {
            text += fmt::format(", epoch {} of {}", learned.kept_epoch, learned.history.size());
        }
        if (!learned.remark.empty()) text += fmt::format("; {}", learned.remark);
        log::info("{}", text);
        return;
    }
    if (!stop.stop_requested()) {
        // A follower heard a signal: from here on it is as if this process had.
        std::raise(SIGTERM);
        using Clock = std::chrono::steady_clock;
        auto const patience = Clock::now() + std::chrono::seconds(10);
        while (!stop.stop_requested() && Clock::now() < patience) {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    }
    throw Error(Origin::stopped, "stopped within a run");
}

std::optional<double> SweepJob::measured_seconds_per_cost() {
    auto& s = *state_;
    double seconds = 0;
    double cost = 0;
    for (auto const run : s.rows.runs_to_measure()) {
        auto const& settings = s.plan.runs[run].settings;
        auto const inputs = comm::everywhere(s.group, [&] { return read_inputs(settings, s.atlas); });
        seconds += with_plain_errors([&] {
            return is_estimator(settings) ? measured_estimator_seconds(s.group, settings, inputs)
                                          : measured_fit_seconds(s.group, settings, inputs, s.device);
        });
        cost += s.rows.relative_cost(run);
    }
    return seconds / cost;
}

void SweepJob::follow(FollowHooks const& hooks) {
    auto& s = *state_;
    if (s.group.is_root()) return;
    comm::StopSignals const signals;
    for (auto unit = s.link.receive(); unit != GroupLink::kEnd; unit = s.link.receive()) {
        hooks.begin(static_cast<std::uint64_t>(unit));
        try {
            s.with_group(static_cast<std::size_t>(unit), [&] {
                (void)s.train(static_cast<std::size_t>(unit),
                              [&] { return signals.requested() != comm::StopKind::none; });
            });
        } catch (comm::CollectiveError const& error) {
            log::debug("unit {}: {}", unit, error.what());  // the leader tells it
        }
        hooks.end();
    }
    hooks.leave();
}

void SweepJob::dismiss() {
    auto& s = *state_;
    if (!s.group.is_root() || std::exchange(s.dismissed, true)) return;
    s.link.send(GroupLink::kEnd);
}

void SweepJob::begin_anew(fs::path const& result) {
    fs::remove_all(State::checkpoints_of(result));
    auto const weights = State::weights_of(result);
    if (!fs::exists(weights)) return;
    auto const aside = aside_name(weights);
    fs::rename(weights, aside);
    log::info("{}: of an earlier sweep, now {}", weights.string(), aside.string());
}

void SweepJob::restore_weights() {
    auto& s = *state_;
    store::AnnDataReader const reader(s.result);
    auto const done = reader.integers("obs/done");
    std::vector<std::size_t> missing;
    for (std::size_t run = 0; run < s.plan.runs.size(); ++run) {
        if (done[run] != 0 && !is_estimator(s.plan.runs[run].settings) && !fs::exists(s.weights_of(run)))
            missing.push_back(run);
    }
    if (missing.empty()) return;
    if (!s.rows.stores_weights()) {
        log::warning(
            "{}: the weights of {} finished runs are gone, and {} keeps none of its own "
            "(folds.store_weights); --fresh --overwrite trains them again",
            s.weights_folder().string(), missing.size(), s.result.string());
        return;
    }
    fs::create_directories(s.weights_folder());
    auto const kept_epoch = reader.integers("obs/kept_epoch");
    auto const weights = reader.array<float>("obsm/weights");
    with_plain_errors([&] {
        for (auto const run : missing) {
            auto const& settings = s.plan.runs[run].settings;
            auto const inputs = read_inputs(settings, s.atlas);
            auto const network = make_network(settings, inputs, at::kCPU);
            SweepRows::put_weights(weights.row(run), *network);
            auto card = card_of_run(settings, inputs, static_cast<std::uint64_t>(kept_epoch[run]));
            card.training["restored_from"] = s.result.filename().string();  // which has epochs and figures
            network->write(s.weights_of(run), card);
        }
    });
    log::info("{}: the weights of {} finished runs were gone; written again from {}",
              s.weights_folder().string(), missing.size(), s.result.string());
    if (std::ranges::find(done, 0) == done.end()) s.write_weight_tables();
}

void SweepJob::finish(store::FinishedRows& rows) {
    auto& s = *state_;
    auto const summary = s.rows.summarise(rows);
    s.write_weight_tables();
    s.tell(summary);
    fs::remove_all(State::checkpoints_of(s.result));
}

std::string SweepJob::describe() const {
    auto const& s = *state_;
    using text::counted;
    return fmt::format("{} x {} x {}, each by {}; {}", counted(s.plan.folds.size(), "fold"),
                       counted(s.plan.seeds.size(), "seed"), counted(s.plan.settings.size(), "setting"),
                       counted(s.group.size(), "rank"), s.atlas->describe());
}

}  // namespace mpira::train
