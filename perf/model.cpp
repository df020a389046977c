// What predicting insertions costs beside a bare loop of the unshortened forward on the same windows, by
// LibTorch's own linear layers as PyTorch runs them.
//
//   build/release/perf/model [full|small] [PAIRS]
//   build/release/perf/model full|small alone SECONDS [MICRO_BATCH]    # the insertion path and nothing else
//
// The latter prints {"windows", "wall_s", "cpu_s"} of what follows a warm-up: for perf/profile and
// perf/lentimpra.py.
//
// One thread, CPU seconds of the process (the machine may be shared), median of interleaved rounds after a
// warm-up; ratios above 1 are faster than the bare loop.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <unistd.h>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/heap.hpp"
#include "mpira/base/philox.hpp"
#include "mpira/model/get.hpp"
#include "mpira/model/insertion.hpp"
#include "mpira/model/speed.hpp"
#include "mpira/model/tensor_memory.hpp"

#include "timing.hpp"
#include "uniform.hpp"

namespace {

using namespace mpira;
using namespace mpira::model;
using perf::Contender, perf::cpu_seconds, perf::spread_of, perf::uniform;

struct Setting {
    GetConfig config;
    std::int64_t window;
    std::int64_t micro_batch;
    std::int64_t uninserted_batch;
    std::int64_t windows;  // of one measurement
    std::int64_t regions;
};

/// For about so many seconds, of which it tells: one element at places of the table.
void predict_alone(InsertionPredictor& predictor, std::vector<std::int64_t> const& starts,
                   std::vector<float> const& element, double seconds) {
    using perf::seconds_of;
    std::vector<std::int32_t> const inserted(starts.size(), 0);
    std::vector<float> predicted(starts.size() * static_cast<std::size_t>(predictor.outputs()));
    predictor.predict(starts, element, inserted, predicted);
    std::size_t windows = 0;
    double const wall = seconds_of(CLOCK_MONOTONIC);
    double const cpu = cpu_seconds();
    while (seconds_of(CLOCK_MONOTONIC) - wall < seconds) {
        predictor.predict(starts, element, inserted, predicted);
        windows += starts.size();
    }
    std::printf("{\"windows\": %zu, \"wall_s\": %.6f, \"cpu_s\": %.6f}\n", windows,
                seconds_of(CLOCK_MONOTONIC) - wall, cpu_seconds() - cpu);
}

/// `alone_s` > 0: both shortcuts for so long, and nothing is compared.
void measure(Setting const& setting, int pairs, double alone_s) {
    auto const& config = setting.config;
    auto const file =
        std::filesystem::temp_directory_path() / fmt::format("mpira-perf-{}.safetensors", ::getpid());
    write_random_weights(file, config, setting.window);
    Predictor const model(file);
    Predictor const with_blas(file, {.products = Products::blas});
    std::optional<Predictor> with_bf16;
    if (has_onednn(Precision::bf16)) with_bf16.emplace(file, Compute{.precision = Precision::bf16});
    Get const get{Weights(file)};
    std::filesystem::remove(file);  // the mappings are gone, the tensors were copied

    auto const features = uniform(setting.regions * config.motifs(), 1);
    auto const element = uniform(config.motifs(), 2);
    auto const shuffles = uniform(10 * config.motifs(), 3);
    FeatureTable const table{setting.regions, config.motifs(), features, {}, {}};
    std::vector<std::int64_t> starts;
    Draws draws(2, Stream::sites, 0);
    for (std::int64_t i = 0; i < setting.windows; ++i) {
        starts.push_back(static_cast<std::int64_t>(
            draws.below(static_cast<std::uint64_t>(setting.regions - setting.window + 1))));
    }
    InsertionOptions const off{.window = setting.window,
                               .focus = setting.window / 2,
                               .micro_batch = setting.micro_batch,
                               .one_query = false,
                               .shared_embedding = false,
                               .remember_uninserted = false};
    auto with = [&](bool one_query, bool share) {
        auto options = off;
        options.one_query = one_query;
        options.shared_embedding = share;
        return InsertionPredictor(model, table, options);
    };
    if (alone_s > 0) {
        auto predictor = with(true, true);
        predict_alone(predictor, starts, element, alone_s);
        return;
    }
    auto plain = with(false, false);
    auto one_query = with(true, false);
    auto shared = with(false, true);
    auto both = with(true, true);
    InsertionPredictor by_blas(with_blas, table, both.options());
    std::optional<InsertionPredictor> in_bf16;
    if (with_bf16) in_bf16.emplace(*with_bf16, table, both.options());

    // The batches of the bare loop, made beforehand: it pays for the forward only.
    std::vector<at::Tensor> batches;
    for (std::int64_t first = 0; first < setting.windows; first += setting.micro_batch) {
        auto const count = std::min(setting.micro_batch, setting.windows - first);
        auto x = at::empty({count, setting.window, config.features}, at::kFloat);
        auto* out = x.mutable_data_ptr<float>();
        for (std::int64_t i = 0; i < count; ++i) {
            for (std::int64_t r = 0; r < setting.window; ++r) {
                auto const row = (starts[static_cast<std::size_t>(first + i)] + r) * config.motifs();
                for (std::int64_t m = 0; m < config.motifs(); ++m) {
                    auto const added = r == off.focus ? element[static_cast<std::size_t>(m)] : 0.0F;
                    *out++ = std::min(features[static_cast<std::size_t>(row + m)] + added, 1.0F);
                }
                *out++ = 1;
            }
        }
        batches.push_back(x);
    }
    auto const outputs = config.outputs;
    std::vector<float> expected;
    auto const bare = [&] {
        c10::InferenceMode const inference;
        expected.clear();
        for (auto const& x : batches) {
            auto const focus = get.forward(x).select(1, off.focus).contiguous();
            auto const* const data = focus.const_data_ptr<float>();
            expected.insert(expected.end(), data, data + focus.numel());
        }
    };
    std::vector<std::int32_t> const inserted(starts.size(), 0);
    std::vector<float> predicted(static_cast<std::size_t>(setting.windows * outputs));
    auto const predict = [&](InsertionPredictor& predictor) {
        return [&] { predictor.predict(starts, element, inserted, predicted); };
    };
    std::vector<Contender> contenders{{"bare loop", bare},
                                      {"shortcuts off", predict(plain)},
                                      {"one query", predict(one_query)},
                                      {"shared embedding", predict(shared)},
                                      {"both shortcuts", predict(both)},
                                      {"both, by BLAS", predict(by_blas)}};
    if (in_bf16) contenders.push_back({"both, bf16", predict(*in_bf16)});
    perf::take_turns(contenders, pairs, [&](Contender const& contender) {
        if (&contender == &contenders.front()) return;
        auto const allowed = contender.name == "both, bf16" ? 0.05F : 1e-5F;
        for (std::size_t i = 0; i < expected.size(); ++i) {
            ensure(std::abs(predicted[i] - expected[i]) <= allowed * std::max(1.0F, std::abs(expected[i])),
                   contender.name + " predicts something else than the bare loop");
        }
    });
    std::printf("dim %lld, depth %lld, %lld regions, micro-batch %lld, %lld windows, %d rounds\n",
                static_cast<long long>(config.dim), static_cast<long long>(config.depth),
                static_cast<long long>(setting.window), static_cast<long long>(setting.micro_batch),
                static_cast<long long>(setting.windows), pairs);
    for (auto const& contender : contenders) {
        auto const [median, least, most] = ratio(contenders.front(), contender);
        std::printf("  %-18s %9.2f windows / CPU s   ratio to bare loop %.3f (%.3f to %.3f)\n",
                    contender.name.c_str(),
                    static_cast<double>(setting.windows) / spread_of(contender.seconds).median, median, least,
                    most);
    }

    // A whole element with both controls, as the job runs it: 3 predictions a site, and the uninserted ones
    // remembered from the element before.
    auto options = both.options();
    options.remember_uninserted = true;
    options.uninserted_batch = setting.uninserted_batch;
    InsertionPredictor screen(model, table, options);
    ScreenShape const shape{.outputs = default_output_names(config)};
    std::vector<double> statistics(statistic_names(shape).size());
    auto const seconds_of_screen = [&] {
        double const before = cpu_seconds();
        screen_element(screen, nullptr, shape, {element, shuffles, starts}, statistics);
        return cpu_seconds() - before;
    };
    double const first = seconds_of_screen();
    std::vector<double> later;
    for (int round = 0; round < std::min(pairs, 3); ++round) later.push_back(seconds_of_screen());
    double const again = spread_of(later).median;
    double const unit = spread_of(contenders[0].seconds).median * 3;
    std::printf("  screen of an element with both controls: ratio %.3f at new sites, %.3f at known sites\n",
                unit / first, unit / again);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        keep_freed_memory();  // as mpira does
        keep_freed_tensors();
        at::set_num_threads(1);
        std::string const which = argc > 1 ? argv[1] : "small";
        bool const alone = argc > 3 && std::string(argv[2]) == "alone";
        double const alone_s = alone ? std::atof(argv[3]) : 0;
        std::int64_t const micro_batch = alone && argc > 4 ? std::atoll(argv[4]) : 0;
        int const pairs = argc > 2 && !alone ? std::atoi(argv[2]) : 5;
        Setting setting{.config = {.features = 287, .dim = 64, .depth = 3, .heads = 4, .outputs = 1},
                        .window = 50,
                        .micro_batch = 32,
                        .uninserted_batch = 32,
                        .windows = 600,
                        .regions = 4203};
        if (which == "full")
            setting = {.config = {},
                       .window = 200,
                       .micro_batch = 4,
                       .uninserted_batch = 1,
                       .windows = 4,
                       .regions = 2000};
        if (micro_batch > 0) {
            setting.micro_batch = micro_batch;
            setting.windows = std::max(setting.windows, micro_batch);
        }
        measure(setting, pairs, alone_s);
        return 0;
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
