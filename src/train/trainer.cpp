#include "mpira/train/trainer.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/train/checkpoint.hpp"
#include "mpira/train/gradient_engine.hpp"
#include "mpira/train/objective.hpp"

#include "batches.hpp"
#include "checkpoint_keeper.hpp"
#include "parameter_groups.hpp"
#include "progress.hpp"
#include "scorer.hpp"
#include "torch_errors.hpp"

namespace mpira::train {

namespace {

using Clock = std::chrono::steady_clock;
using genome::PlaceRange;
using model::Network;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

std::vector<at::Tensor> tensors_of(std::span<model::Parameter const> parameters) {
    std::vector<at::Tensor> tensors;
    for (auto const& parameter : parameters) tensors.push_back(parameter.tensor);
    return tensors;
}

std::unique_ptr<GradientEngine> make_engine(comm::CommView comm, Network& model, Recipe const& recipe) {
    model.require_grad(true);
    return make_gradient_engine(comm, tensors_of(model.trainable_parameters()),
                                {.batch = recipe.batch,
                                 .micro_batch = recipe.micro_batch,
                                 .deterministic = recipe.deterministic,
                                 .bucket_bytes = recipe.bucket_bytes,
                                 .timeline = recipe.timeline});
}

}  // namespace

struct Trainer::State {
    State(comm::CommView comm_in, std::unique_ptr<Network> model_in, TrainingTable const& table_in,
          WindowPlan plan_in, std::vector<PlaceRange> validation_in, Recipe const& recipe_in,
          CheckpointPolicy checkpoint_in)
        : comm(comm_in),
          model(std::move(model_in)),
          table(table_in),
          plan(std::move(plan_in)),
          validation(std::move(validation_in)),
          recipe(recipe_in),
          checkpoint(comm_in, std::move(checkpoint_in)),
          average(recipe.ema_decay > 0 ? model->clone() : nullptr),
          best(validation.empty() ? nullptr : model->clone()),
          parameters(in_groups(model->trainable_parameters())),
          optimiser(groups_of(parameters, recipe, model->facts().depth), recipe.adamw),
          engine(make_engine(comm, *model, recipe)),
          objective(make_objective(model->facts().head, table.outputs, recipe.mask)),
          reader(table, *objective, model->device()),
          ahead(reader),
          scorer({.comm = comm,
                  .table = table,
                  .objective = *objective,
                  .reader = reader,
                  .engine = *engine,
                  .window = plan.window(),
                  .seed = recipe.seed,
                  .arithmetic = recipe.arithmetic}) {
        table.require_consistent();
        if (model->device().is_cpu() && !recipe.arithmetic.bf16) {
            auto const lack = model::lack_of(recipe.arithmetic.products, model::Precision::f32);
            require(lack.empty(), "train.products: " + lack);
        }
        ensure(recipe.batch > 0 && recipe.micro_batch > 0, "an empty recipe");
        ensure(recipe.patience == 0 || !validation.empty(), "patience needs a validation set");
        auto const facts = model->facts();
        ensure(facts.features == static_cast<std::int64_t>(table.motifs()) + 1 &&
                   facts.outputs == static_cast<std::int64_t>(table.outputs) &&
                   (facts.head == model::HeadKind::masked) == table.targets.empty(),
               "the model does not fit the training table");
        for (std::uint64_t e = 0; e < recipe.epochs; ++e) {
            total_steps += plan.steps(recipe.seed, static_cast<std::uint32_t>(e), recipe.batch);
        }
        require(validation.empty() || any_entry(validation),
                "the validation set has no entry to score: no region of it is masked (mask.ratio); hold out "
                "longer runs of regions, or set validation.mode = \"none\"");
        require(total_steps > 0 || recipe.epochs == 0,
                "every training window spans more than window.max_span_bp: nothing to train");
        schedule = {.lr = recipe.lr,
                    .min_lr = recipe.min_lr,
                    .warmup_steps = static_cast<std::uint64_t>(
                        std::llround(recipe.warmup_fraction * static_cast<double>(total_steps))),
                    .total_steps = total_steps};
    }

    // Whether the loss over these runs is of anything: in short windows nothing may be masked.
    [[nodiscard]] bool any_entry(std::span<PlaceRange const> runs) const {
        auto const chunks = scoring_chunks(runs, plan.window());
        return std::ranges::any_of(chunks, [&](PlaceRange const& chunk) {
            return objective->entries(chunk.size(), {recipe.seed, SampleName::kScoring,
                                                     static_cast<std::uint32_t>(chunk.first)}) > 0;
        });
    }

    // Untrained weights must not pass for the best ones. The scores are the same on all ranks.
    void require_best_epoch() const {
        if (!best || now.history.empty() || now.best_loss) return;
        throw comm::CollectiveError(
            Origin::usage,
            fmt::format(
                "the validation loss was finite in none of {} epochs, so none is the best; look at the "
                "targets of the validation set, lower train.lr, or set validation.mode = \"none\" to "
                "keep the last epoch (a changed setting starts over with --fresh)",
                now.history.size()),
            0, std::source_location::current());
    }

    // What is scored and kept: the running mean where there is one.
    [[nodiscard]] Network const& present() const { return average ? *average : *model; }

    [[nodiscard]] SampleName name_of(std::size_t sample) const {
        return {recipe.seed, static_cast<std::uint32_t>(now.step), static_cast<std::uint32_t>(sample)};
    }

    // The windows of global batch `index` of an epoch; none after the last.
    [[nodiscard]] std::vector<PlaceRange> batch_of(std::uint64_t of_epoch, std::uint64_t index) {
        if (!planned_epoch || *planned_epoch != of_epoch) {
            planned = plan.epoch(recipe.seed, static_cast<std::uint32_t>(of_epoch));
            planned_epoch = of_epoch;
        }
        auto const first = std::min<std::uint64_t>(index * recipe.batch, planned.size());
        auto const count = std::min<std::uint64_t>(recipe.batch, planned.size() - first);
        auto const windows = std::span(planned).subspan(first, count);
        return {windows.begin(), windows.end()};
    }

    void read_ahead(std::vector<PlaceRange> windows, std::uint64_t step) {
        if (windows.empty()) return;
        auto passes = engine->passes(lengths_of(windows));
        ahead.start(std::move(windows), std::move(passes), recipe.seed, static_cast<std::uint32_t>(step));
    }

    // What this rank does by itself between two collectives. Its failure (out of memory) is kept, and what
    // follows left out, until all ranks hear of it: they wait in the next collective, which this one reaches.
    template <typename Fn>
    void alone(Fn&& fn) {
        if (failure) return;
        try {
            with_plain_errors(fn);
        } catch (...) {
            failure = comm::failure_of_current_exception();
        }
    }

    // The next global batch, read, while the one after it is begun.
    [[nodiscard]] StepBatches take_batches() {
        auto const begin = Clock::now();
        if (!ahead.started()) read_ahead(batch_of(now.epoch, now.step_in_epoch), now.step);
        auto read = ahead.take();
        waited_s += seconds_since(begin);
        auto next = batch_of(now.epoch, now.step_in_epoch + 1);
        if (next.empty() && now.epoch + 1 < recipe.epochs) next = batch_of(now.epoch + 1, 0);
        read_ahead(std::move(next), now.step + 1);
        return read;
    }

    // Entries of the loss of a global batch, over all ranks.
    [[nodiscard]] double entries_of(std::span<PlaceRange const> windows) const {
        double entries = 0;
        for (std::size_t i = 0; i < windows.size(); ++i) {
            entries += static_cast<double>(objective->entries(windows[i].size(), name_of(i)));
        }
        return entries;
    }

    void backward(StepBatches const& read, double entries) {
        for (std::size_t i = 0; i < read.passes.size(); ++i) {
            auto const& pass = read.passes[i];
            model::TrainingDraws const draws{.seed = recipe.seed,
                                             .step = static_cast<std::uint32_t>(now.step),
                                             .first_sample = static_cast<std::uint32_t>(pass.first),
                                             .input_dropout = recipe.input_dropout};
            auto const batch = reader.to_device(read.batches[i]);
            auto const prediction = forward(*model, batch, draws, recipe.arithmetic);
            // A window of one region may have nothing masked: no entries, no loss.
            engine->backward(objective->loss_sum(prediction, batch).div(std::max(entries, 1.0)), pass);
        }
    }

    // One optimiser step over the next global batch. True when some rank wants to stop.
    bool take_step(bool wants_stop) {
        double entries = 0;
        StepBatches read;
        alone([&] {
            read = take_batches();
            entries = entries_of(read.windows);
        });
        engine->begin_step();
        alone([&] { backward(read, entries); });
        if (failure) engine->mark_failed();
        auto const [loss, stop, failed] = engine->finish_step(wants_stop);
        if (failed) comm::agree_on(comm, failure);
        if (!std::isfinite(loss)) {  // the sum, so every rank is here
            throw comm::CollectiveError(
                Origin::usage,
                fmt::format("the loss of step {} is not finite; lower train.lr, or set "
                            "train.clip_gradient",
                            now.step),
                comm.rank(), std::source_location::current());
        }
        now.last_lr = schedule.at(now.step);
        alone([&] {
            if (recipe.clip_gradient > 0) engine->clip(recipe.clip_gradient);
            optimiser.step(now.last_lr);
            update_average();
        });
        ++now.step;
        ++now.step_in_epoch;
        now.epoch_loss += loss * entries;
        now.epoch_entries += entries;
        return stop;
    }

    void update_average() {
        if (!average) return;
        c10::AutoGradMode const no_graph(false);
        auto const from = model->trainable_parameters();
        auto const to = average->trainable_parameters();
        for (std::size_t i = 0; i < to.size(); ++i) to[i].tensor.lerp_(from[i].tensor, 1 - recipe.ema_decay);
    }

    [[nodiscard]] bool out_of_patience() const {
        return recipe.patience > 0 && now.epoch >= now.best_epoch + recipe.patience;
    }

    // Closes the epoch: validation, the best weights, the record.
    void finish_epoch(double seconds) {
        comm::agree_on(comm, failure);
        ++now.epoch;
        EpochRecord record{.epoch = now.epoch,
                           .step = now.step,
                           .lr = now.last_lr,
                           .train_loss = now.epoch_loss / now.epoch_entries,
                           .seconds = seconds,
                           .waited_s = std::exchange(waited_s, 0)};
        if (!validation.empty()) {
            record.validation = scorer.evaluate(present(), validation);
            auto const loss = record.validation->loss;
            if (std::isfinite(loss) && loss < now.best_loss.value_or(HUGE_VAL)) {
                now.best_loss = loss;
                now.best_epoch = now.epoch;
                best = present().clone();
            }
        } else {
            now.best_epoch = now.epoch;
        }
        if (!test_curve.empty()) record.test_curve = scorer.evaluate(present(), test_curve);
        now.history.push_back(record);
        now.step_in_epoch = 0;
        now.epoch_loss = 0;
        now.epoch_entries = 0;
    }

    // A checkpoint holds the trained weights, their moments, their running mean, and with validation the best
    // weights. What is frozen is in none: it comes from the base.
    [[nodiscard]] NamedTensors checkpoint_tensors() const {
        NamedTensors tensors;
        for (std::size_t i = 0; i < parameters.size(); ++i) {
            auto const& [name, tensor] = std::tie(parameters[i].name, parameters[i].tensor);
            tensors.emplace_back("weights/" + name, tensor);
            tensors.emplace_back("first_moment/" + name, optimiser.first_moments().at(i));
            tensors.emplace_back("second_moment/" + name, optimiser.second_moments().at(i));
        }
        auto const add = [&](std::string const& prefix, Network const* network) {
            if (network == nullptr) return;
            for (auto const& parameter : network->trainable_parameters()) {
                tensors.emplace_back(prefix + parameter.name, parameter.tensor);
            }
        };
        add("average/", average.get());
        add("best/", best.get());
        return tensors;
    }

    void save() {
        comm::agree_on(comm, failure);
        checkpoint.save([&] { return checkpoint_tensors(); }, now);
    }

    bool load() {
        auto const found = checkpoint.load([&] { return checkpoint_tensors(); });
        if (!found) return false;
        now = *found;
        optimiser.set_steps(now.step);
        ahead.clear();
        return true;
    }

    comm::CommView comm;
    std::unique_ptr<Network> model;
    TrainingTable const& table;
    WindowPlan plan;
    std::vector<PlaceRange> validation;
    std::vector<PlaceRange> test_curve;
    Recipe recipe;
    CheckpointKeeper checkpoint;
    std::unique_ptr<Network> average;  // null without ema_decay
    std::unique_ptr<Network> best;     // null without validation
    std::vector<model::Parameter> parameters;
    AdamW optimiser;
    std::unique_ptr<GradientEngine> engine;
    std::unique_ptr<Objective const> objective;
    BatchReader reader;
    ReadAhead ahead;
    Scorer scorer;
    LrSchedule schedule;
    std::uint64_t total_steps = 0;
    std::vector<PlaceRange> planned;  // the windows of this epoch
    std::optional<std::uint64_t> planned_epoch;
    Progress now;
    double waited_s = 0;                   // for batches, in this epoch
    std::optional<comm::Failure> failure;  // of this rank, that the others have not heard of
};

Trainer::Trainer(comm::CommView comm, std::unique_ptr<model::Network> model, TrainingTable const& table,
                 WindowPlan plan, std::vector<PlaceRange> validation_runs, Recipe const& recipe,
                 CheckpointPolicy checkpoint)
    : state_(std::make_unique<State>(comm, std::move(model), table, std::move(plan),
                                     std::move(validation_runs), recipe, std::move(checkpoint))) {}
Trainer::~Trainer() = default;

void Trainer::record_test_curve(std::vector<PlaceRange> test_runs) {
    state_->test_curve = std::move(test_runs);
}

bool Trainer::resume() {
    return state_->load();
}

Outcome Trainer::run(std::function<bool()> const& stop_requested,
                     std::function<void(EpochRecord const&)> const& on_epoch) {
    auto& s = *state_;
    while (s.now.epoch < s.recipe.epochs && !s.out_of_patience()) {
        auto const started = Clock::now();
        auto const steps =
            s.plan.steps(s.recipe.seed, static_cast<std::uint32_t>(s.now.epoch), s.recipe.batch);
        while (s.now.step_in_epoch < steps) {
            bool const wants_stop = stop_requested && stop_requested();
            if (s.take_step(wants_stop)) {
                s.save();
                s.engine->end_training();
                return Outcome::stopped;
            }
        }
        s.finish_epoch(seconds_since(started));
        if (on_epoch) on_epoch(s.now.history.back());
        bool const last = s.now.epoch == s.recipe.epochs || s.out_of_patience();
        if (s.checkpoint.is_due() || last) s.save();
    }
    s.engine->end_training();
    s.require_best_epoch();
    return Outcome::finished;
}

std::vector<float> Trainer::predict(std::span<PlaceRange const> runs) {
    return state_->scorer.predict(kept(), runs);
}

Score Trainer::score(std::span<float const> predictions, std::span<PlaceRange const> runs) const {
    return state_->scorer.score(predictions, runs);
}

Score Trainer::evaluate(std::span<PlaceRange const> runs) {
    return state_->scorer.evaluate(kept(), runs);
}

model::Network const& Trainer::kept() const noexcept {
    return state_->best ? *state_->best : state_->present();
}
std::uint64_t Trainer::kept_epoch() const noexcept {
    return state_->now.best_epoch;
}
std::vector<EpochRecord> const& Trainer::history() const noexcept {
    return state_->now.history;
}
std::uint64_t Trainer::total_steps() const noexcept {
    return state_->total_steps;
}
bool Trainer::ended_early() const noexcept {
    return state_->now.epoch < state_->recipe.epochs && state_->out_of_patience();
}

}  // namespace mpira::train
