#include "mpira/train/trainer.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include <ATen/ops/dot.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/train/checkpoint.hpp"
#include "mpira/train/metrics.hpp"

namespace mpira::train {

namespace {

using Clock = std::chrono::steady_clock;
using genome::PlaceRange;

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

nlohmann::json number_or_null(double value) {
    return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json();
}
double number_of(nlohmann::json const& json) {
    return json.is_number() ? json.get<double>() : std::numeric_limits<double>::quiet_NaN();
}

EpochRecord record_of(nlohmann::json const& json) {
    EpochRecord record{.epoch = json.at("epoch"),
                       .step = json.at("step"),
                       .lr = json.at("lr"),
                       .train_loss = number_of(json.at("train_loss")),
                       .seconds = json.at("seconds"),
                       .validation = std::nullopt};
    if (json.contains("validation")) {
        auto const& score = json.at("validation");
        record.validation = Score{number_of(score.at("loss")), number_of(score.at("pearson")),
                                  number_of(score.at("auroc")), score.at("entries")};
    }
    return record;
}

// Positions [first, end) of a list of windows that have one length: what one forward takes.
template <typename Fn>
void for_equal_lengths(std::span<PlaceRange const> windows, std::uint64_t at_most, Fn&& fn) {
    for (std::size_t first = 0; first < windows.size();) {
        std::size_t end = first + 1;
        while (end < windows.size() && end - first < at_most &&
               windows[end].size() == windows[first].size()) {
            ++end;
        }
        fn(first, windows.subspan(first, end - first));
        first = end;
    }
}

}  // namespace

nlohmann::json to_json(Score const& score) {
    return {{"loss", number_or_null(score.loss)},
            {"pearson", number_or_null(score.pearson)},
            {"auroc", number_or_null(score.auroc)},
            {"entries", score.entries}};
}

nlohmann::json to_json(EpochRecord const& record) {
    nlohmann::json json{{"epoch", record.epoch},
                        {"step", record.step},
                        {"lr", record.lr},
                        {"train_loss", number_or_null(record.train_loss)},
                        {"seconds", record.seconds}};
    if (record.validation) json["validation"] = to_json(*record.validation);
    return json;
}

struct Trainer::State {
    State(comm::CommView comm_in, model::Get model_in, TrainingTable const& table_in, WindowPlan plan_in,
          std::vector<PlaceRange> validation_in, Recipe const& recipe_in, CheckpointPolicy checkpoint_in)
        : comm(comm_in),
          model(std::move(model_in)),
          table(table_in),
          plan(std::move(plan_in)),
          validation(std::move(validation_in)),
          recipe(recipe_in),
          checkpoint(std::move(checkpoint_in)),
          parameters(model.parameters()),
          best(validation.empty() ? model : model.clone()),
          optimiser(groups(), recipe.adamw) {
        table.require_consistent();
        ensure(recipe.batch > 0 && recipe.micro_batch > 0, "an empty recipe");
        ensure(model.config().features == static_cast<std::int64_t>(table.motifs()) + 1 &&
                   model.config().outputs == static_cast<std::int64_t>(table.outputs) &&
                   model.config().head != model::HeadKind::masked,
               "the model does not fit the training table");
        attach_gradients();
        for (std::uint64_t e = 0; e < recipe.epochs; ++e) {
            total_steps += plan.steps(recipe.seed, static_cast<std::uint32_t>(e), recipe.batch);
        }
        require(total_steps > 0 || recipe.epochs == 0,
                "every training window spans more than window.max_span_bp: nothing to train");
        schedule = {.lr = recipe.lr,
                    .min_lr = recipe.min_lr,
                    .warmup_steps = static_cast<std::uint64_t>(
                        std::llround(recipe.warmup_fraction * static_cast<double>(total_steps))),
                    .total_steps = total_steps};
    }

    [[nodiscard]] std::vector<ParameterGroup> groups() const {
        ParameterGroup decayed{.tensors = {}, .weight_decay = recipe.weight_decay};
        ParameterGroup plain{.tensors = {}, .weight_decay = 0};
        for (auto const& parameter : parameters) {
            (parameter.decay ? decayed : plain).tensors.push_back(parameter.tensor);
        }
        return {std::move(decayed), std::move(plain)};
    }

    // All gradients are views of one flat buffer, so one sum over the ranks takes them all; its tail carries
    // the step's loss and the wish to stop, which then need no collective of their own.
    void attach_gradients() {
        model.require_grad(true);
        std::int64_t count = 0;
        for (auto const& parameter : parameters) count += parameter.tensor.numel();
        flat = at::zeros({count + kTail}, parameters.front().tensor.options().requires_grad(false));
        std::int64_t at = 0;
        for (auto& parameter : parameters) {
            auto const size = parameter.tensor.numel();
            parameter.tensor.mutable_grad() = flat.narrow(0, at, size).view(parameter.tensor.sizes());
            at += size;
        }
        gradient = flat.narrow(0, 0, count);
    }

    // Inputs of windows of one length: (windows, regions, motifs + 1).
    [[nodiscard]] at::Tensor inputs_of(std::span<PlaceRange const> windows) const {
        auto const count = static_cast<std::int64_t>(windows.size());
        auto const regions = static_cast<std::int64_t>(windows.front().size());
        auto const width = static_cast<std::int64_t>(table.motifs()) + 1;
        auto host = at::empty({count, regions, width}, at::kFloat);
        auto const each = static_cast<std::size_t>(regions * width);
        for (std::size_t i = 0; i < windows.size(); ++i) {
            table.read_inputs(windows[i], {host.mutable_data_ptr<float>() + i * each, each});
        }
        return host.to(model.device());
    }
    [[nodiscard]] at::Tensor targets_of(std::span<PlaceRange const> windows) const {
        auto const count = static_cast<std::int64_t>(windows.size());
        auto const regions = static_cast<std::int64_t>(windows.front().size());
        auto host = at::empty({count, regions, static_cast<std::int64_t>(table.outputs)}, at::kFloat);
        auto* at = host.mutable_data_ptr<float>();
        for (auto const& window : windows) {
            auto const targets = table.targets_of(window);
            at = std::copy(targets.begin(), targets.end(), at);
        }
        return host.to(model.device());
    }

    // One optimiser step over a global batch. True when some rank wants to stop.
    bool take_step(std::span<PlaceRange const> batch, bool wants_stop) {
        double entries = 0;
        for (auto const& window : batch) entries += static_cast<double>(window.size() * table.outputs);
        auto const mine = part_of(batch.size(), comm.rank(), comm.size());
        flat.zero_();
        double loss = 0;
        for_equal_lengths(batch.subspan(mine.first, mine.size()), recipe.micro_batch,
                          [&](std::size_t first, std::span<PlaceRange const> windows) {
                              model::TrainingDraws const draws{
                                  .seed = recipe.seed,
                                  .step = static_cast<std::uint32_t>(step),
                                  .first_sample = static_cast<std::uint32_t>(mine.first + first),
                                  .input_dropout = recipe.input_dropout};
                              auto const prediction = model.forward(inputs_of(windows), draws);
                              auto const share = static_cast<double>(prediction.numel()) / entries;
                              auto const part =
                                  model::poisson_loss(prediction, targets_of(windows)).mul(share);
                              part.backward();
                              loss += part.item<double>();
                          });
        auto const tail = flat.narrow(0, gradient.numel(), kTail);
        tail[0].fill_(loss);
        tail[1].fill_(wants_stop ? 1.0 : 0.0);
        sum_over_ranks();
        loss = tail[0].item<double>();
        bool const stop = tail[1].item<double>() > 0.5;
        if (!std::isfinite(loss)) {  // the sum, so every rank is here
            throw comm::CollectiveError(
                Origin::usage,
                fmt::format("the loss of step {} is not finite; lower train.lr, or set "
                            "train.clip_gradient",
                            step),
                comm.rank(), std::source_location::current());
        }
        clip();
        last_lr = schedule.at(step);
        optimiser.step(last_lr);
        ++step;
        ++step_in_epoch;
        epoch_loss += loss * entries;
        epoch_entries += entries;
        return stop;
    }

    void sum_over_ranks() {
        if (comm.size() == 1) return;
        auto host = flat.to(at::kCPU);  // itself on the CPU
        comm.all_sum(
            std::span<float>(host.mutable_data_ptr<float>(), static_cast<std::size_t>(host.numel())));
        if (!host.is_alias_of(flat)) flat.copy_(host);
    }

    void clip() {
        if (recipe.clip_gradient <= 0) return;
        double const norm = std::sqrt(at::dot(gradient, gradient).item<double>());
        if (norm > recipe.clip_gradient) gradient.mul_(recipe.clip_gradient / norm);
    }

    // Each place is predicted by the last chunk that covers it, and summed with zeros of the other ranks.
    [[nodiscard]] std::vector<float> predict(model::Get const& with, std::span<PlaceRange const> runs) const {
        c10::InferenceMode const no_graph;
        auto const chunks = scoring_chunks(runs, plan.window());
        std::vector<float> out(table.places() * table.outputs, 0.0F);
        auto const mine = part_of(chunks.size(), comm.rank(), comm.size());
        for_equal_lengths(
            std::span(chunks).subspan(mine.first, mine.size()), recipe.micro_batch,
            [&](std::size_t first, std::span<PlaceRange const> windows) {
                auto const result = with.forward(inputs_of(windows)).to(at::kCPU).contiguous();
                auto const* values = result.const_data_ptr<float>();
                for (std::size_t i = 0; i < windows.size(); ++i) {
                    auto const window = windows[i];
                    auto const next = mine.first + first + i + 1;
                    auto const end =
                        next < chunks.size() ? std::min(window.end, chunks[next].first) : window.end;
                    auto const count = (end - window.first) * table.outputs;
                    std::copy_n(values + i * window.size() * table.outputs, count,
                                out.begin() + static_cast<std::ptrdiff_t>(window.first * table.outputs));
                }
            });
        if (comm.size() > 1) comm.all_sum(std::span<float>(out));
        return out;
    }

    [[nodiscard]] Score score(std::span<float const> predictions, std::span<PlaceRange const> runs) const {
        std::vector<float> all_predicted;
        std::vector<float> all_target;
        std::vector<float> predicted;
        std::vector<float> target;
        for (auto const& run : runs) {
            for (auto entry = run.first * table.outputs; entry < run.end * table.outputs; ++entry) {
                all_predicted.push_back(predictions[entry]);
                all_target.push_back(table.targets[entry]);
                if (!table.scored.empty() && table.scored[entry] == 0) continue;
                predicted.push_back(predictions[entry]);
                target.push_back(table.targets[entry]);
            }
        }
        return {
            .loss = poisson_nll(all_predicted, all_target),
            .pearson = pearson(predicted, target),
            .auroc = is_binary(target) ? auroc(predicted, target) : std::numeric_limits<double>::quiet_NaN(),
            .entries = predicted.size()};
    }

    // Closes the epoch: validation, the best weights, the record.
    void finish_epoch(double seconds) {
        ++epoch;
        EpochRecord record{.epoch = epoch,
                           .step = step,
                           .lr = last_lr,
                           .train_loss = epoch_loss / epoch_entries,
                           .seconds = seconds,
                           .validation = std::nullopt};
        if (!validation.empty()) {
            record.validation = score(predict(model, validation), validation);
            if (record.validation->loss < best_loss) {
                best_loss = record.validation->loss;
                best_epoch = epoch;
                best = model.clone();
            }
        } else {
            best_epoch = epoch;
        }
        history.push_back(record);
        step_in_epoch = 0;
        epoch_loss = 0;
        epoch_entries = 0;
    }

    // A checkpoint holds the weights, the moments, and with validation the best weights.
    [[nodiscard]] NamedTensors checkpoint_tensors() const {
        NamedTensors tensors;
        for (auto const& parameter : parameters)
            tensors.emplace_back("weights/" + parameter.name, parameter.tensor);
        std::size_t at = 0;
        for (bool const decay : {true, false}) {  // the order of groups()
            for (auto const& parameter : parameters) {
                if (parameter.decay != decay) continue;
                tensors.emplace_back("first_moment/" + parameter.name, optimiser.first_moments().at(at));
                tensors.emplace_back("second_moment/" + parameter.name, optimiser.second_moments().at(at));
                ++at;
            }
        }
        if (!validation.empty()) {
            for (auto const& parameter : best.parameters()) {
                tensors.emplace_back("best/" + parameter.name, parameter.tensor);
            }
        }
        return tensors;
    }

    void save() {
        last_save = Clock::now();
        if (checkpoint.file.empty()) return;
        comm::everywhere(comm, [&] {
            if (!comm.is_root()) return;
            auto records = nlohmann::json::array();
            for (auto const& record : history) records.push_back(to_json(record));
            write_checkpoint(checkpoint.file, checkpoint_tensors(), checkpoint.identity,
                             {{"epoch", epoch},
                              {"step", step},
                              {"step_in_epoch", step_in_epoch},
                              {"epoch_loss", epoch_loss},
                              {"epoch_entries", epoch_entries},
                              {"last_lr", last_lr},
                              {"best_loss", number_or_null(best_loss)},
                              {"best_epoch", best_epoch},
                              {"history", records}});
        });
    }

    bool load() {
        if (checkpoint.file.empty()) return false;
        return comm::everywhere(comm, [&] {
            auto const found = read_checkpoint(checkpoint.file, checkpoint_tensors(), checkpoint.identity);
            if (!found) return false;
            auto const& progress = *found;
            try {
                epoch = progress.at("epoch");
                step = progress.at("step");
                step_in_epoch = progress.at("step_in_epoch");
                epoch_loss = progress.at("epoch_loss");
                epoch_entries = progress.at("epoch_entries");
                last_lr = progress.at("last_lr");
                best_epoch = progress.at("best_epoch");
                if (progress.at("best_loss").is_number()) best_loss = progress.at("best_loss");
                for (auto const& record : progress.at("history")) history.push_back(record_of(record));
            } catch (nlohmann::json::exception const& error) {
                fail_usage(
                    fmt::format("{}: the progress of this checkpoint can't be read ({}); start over with "
                                "--fresh",
                                checkpoint.file.string(), error.what()));
            }
            optimiser.set_steps(step);
            return true;
        });
    }

    static constexpr std::int64_t kTail = 2;

    comm::CommView comm;
    model::Get model;
    TrainingTable const& table;
    WindowPlan plan;
    std::vector<PlaceRange> validation;
    Recipe recipe;
    CheckpointPolicy checkpoint;
    std::vector<model::Parameter> parameters;
    model::Get best;  // shares the model's tensors without validation
    AdamW optimiser;
    at::Tensor flat;
    at::Tensor gradient;
    LrSchedule schedule;
    std::uint64_t total_steps = 0;

    std::uint64_t epoch = 0;  // finished
    std::uint64_t step = 0;   // finished, over all epochs
    std::uint64_t step_in_epoch = 0;
    double epoch_loss = 0;
    double epoch_entries = 0;
    double last_lr = 0;
    double best_loss = std::numeric_limits<double>::infinity();
    std::uint64_t best_epoch = 0;
    std::vector<EpochRecord> history;
    Clock::time_point last_save = Clock::now();
};

Trainer::Trainer(comm::CommView comm, model::Get model, TrainingTable const& table, WindowPlan plan,
                 std::vector<PlaceRange> validation_runs, Recipe const& recipe, CheckpointPolicy checkpoint)
    : state_(std::make_unique<State>(comm, std::move(model), table, std::move(plan),
                                     std::move(validation_runs), recipe, std::move(checkpoint))) {}
Trainer::~Trainer() = default;

bool Trainer::resume() {
    return state_->load();
}

Outcome Trainer::run(std::function<bool()> const& stop_requested,
                     std::function<void(EpochRecord const&)> const& on_epoch) {
    auto& s = *state_;
    while (s.epoch < s.recipe.epochs) {
        auto const started = Clock::now();
        auto const windows = s.plan.epoch(s.recipe.seed, static_cast<std::uint32_t>(s.epoch));
        for (auto at = s.step_in_epoch * s.recipe.batch; at < windows.size(); at += s.recipe.batch) {
            auto const count = std::min<std::size_t>(s.recipe.batch, windows.size() - at);
            bool const wants_stop = stop_requested && stop_requested();
            if (s.take_step(std::span(windows).subspan(at, count), wants_stop)) {
                s.save();
                return Outcome::stopped;
            }
        }
        s.finish_epoch(seconds_since(started));
        if (on_epoch) on_epoch(s.history.back());
        // Rank 0's clock decides for all: a checkpoint is collective.
        bool const due = s.epoch == s.recipe.epochs || seconds_since(s.last_save) >= s.checkpoint.every_s;
        if (s.comm.bcast_value(due)) s.save();
    }
    return Outcome::finished;
}

std::vector<float> Trainer::predict(std::span<PlaceRange const> runs) {
    return state_->predict(kept(), runs);
}

Score Trainer::score(std::span<float const> predictions, std::span<PlaceRange const> runs) const {
    return state_->score(predictions, runs);
}

model::Get const& Trainer::kept() const noexcept {
    return state_->validation.empty() ? state_->model : state_->best;
}
std::uint64_t Trainer::kept_epoch() const noexcept {
    return state_->best_epoch;
}
std::vector<EpochRecord> const& Trainer::history() const noexcept {
    return state_->history;
}
std::uint64_t Trainer::total_steps() const noexcept {
    return state_->total_steps;
}

}  // namespace mpira::train
