#include <algorithm>
#include <chrono>
#include <exception>
#include <optional>
#include <span>
#include <vector>

#include "mpira/base/error.hpp"
#include "mpira/train/estimators.hpp"

#include "train/group_link.hpp"
#include "train/scorer.hpp"

namespace mpira::train {

namespace {

using genome::PlaceRange;
using model::Estimator;

// The places of the runs, so many at a time.
template <typename Fn>
void for_blocks(std::span<PlaceRange const> runs, Fn&& call) {
    constexpr std::uint64_t kBlock = 1024;
    for (auto const& run : runs) {
        for (auto first = run.first; first < run.end; first += kBlock) {
            call(PlaceRange{first, std::min(run.end, first + kBlock)});
        }
    }
}

std::vector<float> inputs_of(TrainingTable const& table, PlaceRange block) {
    std::vector<float> x(block.size() * (table.motifs() + 1));
    table.read_inputs(block, x);
    return x;
}

std::unique_ptr<Estimator> fitted_to(Settings const& settings, TrainingTable const& table,
                                     std::span<PlaceRange const> runs,
                                     std::function<bool()> const& stop_requested) {
    auto estimator = make_estimator(settings, {.columns = table.motifs() + 1, .outputs = table.outputs});
    for_blocks(runs, [&](PlaceRange block) {
        if (stop_requested && stop_requested()) throw Error(Origin::stopped, "stopped within a fit");
        estimator->add(inputs_of(table, block), table.targets_of(block));
    });
    estimator->fit(stop_requested);
    return estimator;
}

std::vector<float> predicted_by(Estimator const& estimator, TrainingTable const& table,
                                std::span<PlaceRange const> runs) {
    std::vector<float> predicted(count(runs) * table.outputs);
    std::size_t at = 0;
    for_blocks(runs, [&](PlaceRange block) {
        auto const entries = block.size() * table.outputs;
        estimator.predict(inputs_of(table, block), std::span(predicted).subspan(at, entries));
        at += entries;
    });
    return predicted;
}

}  // namespace

Fit fit_estimator(comm::CommView comm, Settings const& settings, Inputs const& inputs,
                  std::function<bool()> const& stop_requested) {
    auto const& table = inputs.table;
    Fit learned;
    bool const asked = stop_requested && stop_requested();
    bool stopped = comm.all_max(static_cast<std::int64_t>(asked)) != 0;
    std::optional<comm::Failure> failure;
    if (comm.is_root() && !stopped) {
        try {
            auto const estimator = fitted_to(settings, table, inputs.train_runs, stop_requested);
            learned.remark = estimator->remark();
            learned.predicted = predicted_by(*estimator, table, inputs.test_runs);
            learned.held_out = score_places(table, learned.predicted, inputs.test_runs);
            if (!inputs.validation_runs.empty()) {
                learned.validation = score_places(
                    table, predicted_by(*estimator, table, inputs.validation_runs), inputs.validation_runs);
            }
        } catch (Error const& error) {
            stopped = error.origin() == Origin::stopped;
            if (!stopped) failure = comm::failure_of_current_exception();
        } catch (...) {
            failure = comm::failure_of_current_exception();
        }
    }
    meet_asleep(comm);
    comm::agree_on(comm, failure);
    learned.outcome = comm.bcast_value(stopped) ? Outcome::stopped : Outcome::finished;
    return learned;
}

double measured_estimator_seconds(comm::CommView comm, Settings const& settings, Inputs const& inputs) {
    constexpr std::uint64_t kMostPlaces = 4000;
    std::vector<PlaceRange> some;
    for (std::uint64_t left = kMostPlaces; auto const& run : inputs.train_runs) {
        auto const take = std::min(run.size(), left);
        if (take > 0) some.push_back({run.first, run.first + take});
        left -= take;
    }
    auto const mine = comm::everywhere(comm, [&] {
        if (!comm.is_root()) return 0.0;
        auto const begin = std::chrono::steady_clock::now();
        (void)fitted_to(settings, inputs.table, some, {});
        std::chrono::duration<double> const seconds = std::chrono::steady_clock::now() - begin;
        return seconds.count() * static_cast<double>(count(inputs.train_runs)) /
               static_cast<double>(count(some));
    });
    return comm.all_max(mine);
}

}  // namespace mpira::train
