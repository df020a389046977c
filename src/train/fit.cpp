#include "mpira/train/fit.hpp"

#include <memory>
#include <utility>

#include "mpira/train/focus.hpp"
#include "mpira/train/networks.hpp"

namespace mpira::train {

namespace {

// The history as the card keeps it: without durations, so that the same training leaves the same file.
nlohmann::json epochs_of(std::span<EpochRecord const> history) {
    auto epochs = nlohmann::json::array();
    for (auto const& record : history) {
        epochs.push_back(to_json(record));
        epochs.back().erase("seconds");
        epochs.back().erase("waited_s");
    }
    return epochs;
}

std::uint64_t count_of(std::vector<model::Parameter> const& parameters) {
    std::uint64_t count = 0;
    for (auto const& parameter : parameters) count += static_cast<std::uint64_t>(parameter.tensor.numel());
    return count;
}

}  // namespace

model::ModelCard card_of_run(Settings const& settings, Inputs const& inputs, std::uint64_t kept_epoch) {
    auto card = card_of(settings, inputs);
    card.training = {{"identity", inputs.identity}, {"kept_epoch", kept_epoch}};
    if (!inputs.base_saw.empty()) card.training["base_saw"] = inputs.base_saw;
    if (inputs.cell_types.size() > 1) card.training["cell_types"] = inputs.cell_types;
    if (auto const& motifs = settings.texts("input.left_out_motifs"); !motifs.empty()) {
        card.training["left_out_motifs"] = motifs;
    }
    return card;
}

Fit fit(comm::CommView comm, Settings const& settings, Inputs const& inputs, FitOptions const& options) {
    auto const& recipe = inputs.recipe;
    auto const& table = inputs.table;
    auto const regions = inputs.atlas->regions();
    auto const device = options.device < 0
                            ? at::Device(at::kCPU)
                            : at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(options.device));
    WindowPlan plan(regions, table.rows, inputs.train_runs, settings.count("window.regions"),
                    settings.integer("window.max_span_bp"));
    auto const train_regions = count(plan.runs());
    auto const owner = comm::everywhere(comm, [&] {
        return std::make_unique<Trainer>(comm, make_network(settings, inputs, device), table, std::move(plan),
                                         inputs.validation_runs, recipe,
                                         CheckpointPolicy{.file = options.checkpoint,
                                                          .identity = inputs.identity,
                                                          .every_s = settings.number("checkpoint.every_s")});
    });
    auto& trainer = *owner;
    if (settings.flag("validation.test_curve")) trainer.record_test_curve(inputs.test_runs);
    bool const resumed = trainer.resume();
    if (options.on_start) {
        auto const& network = trainer.kept();
        options.on_start({.network = network.facts(),
                          .parameters = count_of(network.parameters()),
                          .trainable_parameters = count_of(network.trainable_parameters()),
                          .train_regions = train_regions,
                          .total_steps = trainer.total_steps(),
                          .resumed = resumed,
                          .history = trainer.history()});
    }
    Fit learned;
    learned.outcome = trainer.run(options.stop_requested, options.on_epoch);
    learned.history = trainer.history();
    if (learned.outcome == Outcome::stopped) return learned;

    learned.ended_early = trainer.ended_early();
    learned.kept_epoch = trainer.kept_epoch();
    for (auto const& record : learned.history) {
        if (record.epoch == learned.kept_epoch) learned.validation = record.validation;
    }
    learned.card = card_of_run(settings, inputs, learned.kept_epoch);
    learned.card.training["epochs"] = epochs_of(learned.history);
    if (!inputs.test_runs.empty()) {
        auto const& kept = trainer.kept();
        if (kept.facts().head == model::HeadKind::masked) {
            learned.held_out = trainer.evaluate(inputs.test_runs);
        } else {
            learned.predicted = predict_at_focus(
                comm, [&](at::Tensor const& windows) { return kept.forward(windows.to(device)); }, table,
                inputs.test_runs, settings.count("window.regions"), recipe.micro_batch);
            learned.held_out = trainer.score(learned.predicted, inputs.test_runs);
        }
        learned.card.training["held_out"] = to_json(*learned.held_out);
    }
    learned.kept = trainer.kept().clone();
    return learned;
}

}  // namespace mpira::train
