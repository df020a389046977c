#include "mpira/train/fit_cost.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "mpira/base/error.hpp"
#include "mpira/train/networks.hpp"
#include "mpira/train/trainer.hpp"

namespace mpira::train {

namespace {

using Clock = std::chrono::steady_clock;
using genome::PlaceRange;

constexpr int kWarmUpSteps = 1;
constexpr int kMostSteps = 20;
constexpr std::chrono::seconds kEnough{2};

double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

// The first `most` places of the runs.
std::vector<PlaceRange> first_places(std::span<PlaceRange const> runs, std::uint64_t most) {
    std::vector<PlaceRange> some;
    for (auto const& run : runs) {
        auto const take = std::min(run.size(), most);
        if (take == 0) break;
        some.push_back({run.first, run.first + take});
        most -= take;
    }
    return some;
}

double seconds_of_step(Trainer& trainer) {
    int asked = 0;  // before each step
    Clock::time_point begin;
    trainer.run([&] {
        ++asked;
        if (asked <= kWarmUpSteps + 1) begin = Clock::now();  // a run of one step is its own warm-up
        return asked == kWarmUpSteps + kMostSteps ||
               (asked > kWarmUpSteps + 1 && Clock::now() - begin > kEnough);
    });
    return seconds_since(begin) / std::max(1, asked - kWarmUpSteps);
}

double seconds_of_place(Trainer& trainer, std::span<PlaceRange const> runs) {
    (void)trainer.predict(runs);
    auto const begin = Clock::now();
    (void)trainer.predict(runs);
    return seconds_since(begin) / static_cast<double>(count(runs));
}

}  // namespace

double measured_fit_seconds(comm::CommView comm, Settings const& settings, Inputs const& inputs, int device) {
    ensure(!inputs.test_runs.empty() && !inputs.table.targets.empty(), "a fit without anything to predict");
    auto const window = settings.count("window.regions");
    auto recipe = inputs.recipe;
    recipe.timeline.clear();
    recipe.patience = 0;  // needs a validation set, which is timed apart
    auto const on =
        device < 0 ? at::Device(at::kCPU) : at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(device));
    auto const trainer = comm::everywhere(comm, [&] {
        WindowPlan plan(inputs.atlas->regions(), inputs.table.rows, inputs.train_runs, window,
                        settings.integer("window.max_span_bp"));
        return std::make_unique<Trainer>(comm, make_network(settings, inputs, on), inputs.table,
                                         std::move(plan), std::vector<PlaceRange>{}, recipe);
    });
    auto const per_step = seconds_of_step(*trainer);
    auto const ranks = static_cast<std::uint64_t>(comm.size());
    auto const sample = first_places(inputs.test_runs, 2 * window * recipe.micro_batch * ranks);
    auto const per_place = seconds_of_place(*trainer, sample);
    auto scored_an_epoch = count(inputs.validation_runs);
    if (settings.flag("validation.test_curve")) scored_an_epoch += count(inputs.test_runs);
    // Held-out regions are predicted in a window of their own each.
    auto const predicted = recipe.epochs * scored_an_epoch + window * count(inputs.test_runs);
    auto const mine =
        per_step * static_cast<double>(trainer->total_steps()) + per_place * static_cast<double>(predicted);
    return comm.all_max(mine);
}

}  // namespace mpira::train
