#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/philox.hpp"
#include "mpira/model/insertion.hpp"
#include "mpira/model/speed.hpp"

#include "cli/bench_parts.hpp"

namespace mpira::cli {
namespace {

using model::GetConfig;

std::vector<float> uniform(std::int64_t count, std::uint32_t number) {
    std::vector<float> values(static_cast<std::size_t>(count));
    Draws draws(1, Stream::tests, number);
    for (auto& value : values) value = static_cast<float>(draws.uniform());
    return values;
}

/// One way to compute, and how fast it was.
struct Choice {
    std::string settings;  ///< empty: the defaults
    model::Compute compute;
    std::optional<model::InsertionPredictor> insertions;
    std::vector<double> to_default;  ///< a round each
};

double seconds_of(std::function<void()> const& body) {
    auto const begin = std::chrono::steady_clock::now();
    body();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

Rounds rounds_of(std::vector<double> values) {
    if (values.empty()) return {};
    std::ranges::sort(values);
    return {values[values.size() / 2], values.front(), values.back()};
}

ModelSpeed bench_model(comm::CommView world, comm::Device const& device, std::filesystem::path const& weights,
                       bool small, std::filesystem::path const& folder, double seconds) {
    auto file = weights;
    if (weights.empty()) {
        file = folder / "random.safetensors";
        comm::everywhere(world, [&] {
            if (world.is_root())
                model::write_random_weights(
                    file,
                    small ? GetConfig{.features = 287, .dim = 64, .depth = 3, .heads = 4, .outputs = 1}
                          : GetConfig{},
                    small ? 50 : 200);
        });
    }
    // Of several kinds of CPU, what all can do: the figures are averaged over the ranks.
    bool const two_libraries = world.all_agree(device.ordinal < 0 && model::has_onednn());
    model::Compute const blas{.device = device.ordinal, .products = model::Products::blas};
    auto const compute = two_libraries ? model::Compute{} : blas;
    std::vector<Choice> choices;
    choices.push_back({"", compute, {}, {}});
    if (two_libraries) choices.push_back({"model.products=blas", blas, {}, {}});
    if (world.all_agree(device.ordinal >= 0 || model::has_onednn(model::Precision::bf16))) {
        auto narrow = compute;
        narrow.precision = model::Precision::bf16;
        choices.push_back({"model.precision=bf16", narrow, {}, {}});
    }
    auto const predictor = comm::everywhere(world, [&] { return model::Predictor(file, compute); });
    auto const& config = predictor.config();
    auto const window = predictor.card().window;
    std::int64_t const batch = device.ordinal >= 0 ? 64 : config.dim >= 256 ? 4 : 32;

    auto const regions = std::max<std::int64_t>(1000, window);
    auto const features = uniform(regions * config.motifs(), 1);
    auto const element = uniform(config.motifs(), 2);
    model::FeatureTable const table{regions, config.motifs(), features, {}, {}};
    model::InsertionOptions const options{
        .window = window, .focus = window / 2, .micro_batch = batch, .remember_uninserted = false};
    comm::everywhere(world, [&] {
        for (auto& choice : choices)
            choice.insertions.emplace(
                &choice == &choices.front() ? predictor : model::Predictor(file, choice.compute), table,
                options);
    });
    Draws draws(2, Stream::sites, 0);
    std::vector<std::int64_t> starts(static_cast<std::size_t>(batch));
    for (auto& start : starts)
        start =
            static_cast<std::int64_t>(draws.below(static_cast<std::uint64_t>(table.regions - window + 1)));
    std::vector<std::int32_t> const inserted(starts.size(), 0);
    std::vector<float> read(starts.size() * static_cast<std::size_t>(config.outputs));
    auto const windows = uniform(batch * window * config.features, 3);
    std::vector<float> all(static_cast<std::size_t>(batch * window * config.outputs));

    auto const forward = [&] { predictor.predict(windows, batch, window, all); };
    auto const insert = [&](Choice& choice) {
        return seconds_of([&] { choice.insertions->predict(starts, element, inserted, read); });
    };
    forward();
    for (auto& choice : choices) insert(choice);
    world.barrier();  // all ranks at work together, as in a campaign
    ModelSpeed speed;
    std::vector<double> per_s, products, libraries, ratio;
    auto const operations = model::forward_operations(config, window);
    double spent = 0;
    while (per_s.size() < 3 || spent < seconds) {
        double const f = seconds_of(forward);
        double const i = insert(choices.front());
        double others_s = 0;
        for (auto& choice : std::span(choices).subspan(1)) {
            double const other = insert(choice);
            choice.to_default.push_back(i / other);
            others_s += other;
        }
        double const product_s = std::min(f, 1.0);
        double const most = model::product_operations_per_s(config, batch, window, blas, product_s);
        if (two_libraries)
            libraries.push_back(model::product_operations_per_s(config, batch, window, compute, product_s) /
                                most);
        auto const rate = static_cast<double>(batch) / f;
        per_s.push_back(rate);
        ratio.push_back(f / i);
        products.push_back(rate * operations / most);
        spent += f + i + others_s + (two_libraries ? 4 : 2) * product_s;
    }
    world.barrier();
    auto const mean = [&](Rounds rounds) {
        auto const n = static_cast<double>(world.size());
        return Rounds{world.all_sum(rounds.median) / n, -world.all_max(-rounds.least),
                      world.all_max(rounds.most)};
    };
    speed.name = fmt::format("{}x{}, windows of {} regions", config.dim, config.depth, window);
    speed.windows_per_s = mean(rounds_of(per_s));
    speed.operations_per_s = speed.windows_per_s.median * operations;
    speed.share_of_products = mean(rounds_of(products));
    speed.onednn_to_blas = mean(rounds_of(libraries));
    speed.insertions_to_forward = mean(rounds_of(ratio));
    for (auto& choice : std::span(choices).subspan(1))
        speed.others.push_back({choice.settings, mean(rounds_of(std::move(choice.to_default)))});
    return speed;
}

std::string advice_of(std::vector<SettingsSpeed> const& others) {
    constexpr double kWorthIt = 1.03;
    auto const best =
        std::ranges::max_element(others, {}, [](auto const& one) { return one.to_default.median; });
    if (best == others.end() || best->to_default.median < kWorthIt)
        return "the defaults of model.products and model.precision are the fastest here";
    bool const narrow = best->settings.find("bf16") != std::string::npos;
    return fmt::format(
        "{} is the fastest here, {:.2f} times the default{}", best->settings, best->to_default.median,
        narrow ? "; bf16 changes results (Pearson of element means with f32 >= 0.9999 where that was "
                 "measured, perf/results/2026-11-27-h200.md): the same for all of a campaign"
               : ", with other last bits: the same for all of a campaign");
}

}  // namespace mpira::cli
