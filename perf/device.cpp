// What a GPU does with a model's windows, from an atlas in host memory to results in host memory, beside what
// it does with bare matrix products of the same shapes.
//
//   build/cuda/perf/device [full|small] [SECONDS]
//
// bf16, 1,000 windows a call. Operations are those of the whole network (forward_operations) whatever
// shortcuts are on; a Jacobian counts as two forwards. TFLOP/s of products: model/speed.hpp. The device's
// peak is not asked for: divide.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/philox.hpp"
#include "mpira/model/get.hpp"
#include "mpira/model/insertion.hpp"
#include "mpira/model/jacobian.hpp"
#include "mpira/model/speed.hpp"

#include "uniform.hpp"

namespace {

using namespace mpira;
using namespace mpira::model;
using perf::uniform;
using Clock = std::chrono::steady_clock;

/// Calls of `work` a second: at least `seconds` long, after two that don't count.
template <typename Work>
double calls_per_s(double seconds, Work const& work) {
    for (int i = 0; i < 2; ++i) work();
    auto const begin = Clock::now();
    double passed = 0;
    int calls = 0;
    do {
        work();
        ++calls;
        passed = std::chrono::duration<double>(Clock::now() - begin).count();
    } while (passed < seconds);
    return calls / passed;
}

std::string name_of(Compute const& compute) {
    auto const* const precision = compute.precision == Precision::bf16 ? "bf16" : "f32";
    return compute.any_order ? fmt::format("{}, fastest", precision) : precision;
}

struct Bench {
    GetConfig config;
    std::int64_t window;
    std::int64_t regions;
    double seconds;
    std::filesystem::path weights;

    std::vector<float> features = uniform(regions * config.motifs(), 1);
    std::vector<float> element = uniform(config.motifs(), 2);
    FeatureTable table{regions, config.motifs(), features, {}, {}};
    double operations = forward_operations(config, window);

    [[nodiscard]] std::vector<std::int64_t> starts(std::int64_t count) const {
        std::vector<std::int64_t> drawn;
        Draws draws(2, Stream::sites, 0);
        for (std::int64_t i = 0; i < count; ++i)
            drawn.push_back(
                static_cast<std::int64_t>(draws.below(static_cast<std::uint64_t>(regions - window + 1))));
        return drawn;
    }

    void insertions(Compute const& compute, std::int64_t micro_batch, bool shortcuts,
                    std::int64_t count) const {
        InsertionPredictor predictor(Predictor(weights, compute), table,
                                     {.window = window,
                                      .focus = window / 2,
                                      .micro_batch = micro_batch,
                                      .one_query = shortcuts,
                                      .shared_embedding = shortcuts,
                                      .remember_uninserted = false});
        auto const sites = starts(count);
        std::vector<std::int32_t> const inserted(sites.size(), 0);
        std::vector<float> out(sites.size() * static_cast<std::size_t>(config.outputs));
        auto const per_s = static_cast<double>(count) *
                           calls_per_s(seconds, [&] { predictor.predict(sites, element, inserted, out); });
        fmt::print("insertions  {:13} micro-batch {:4} {:9} {:10.0f} windows/s {:7.1f} TFLOP/s\n",
                   name_of(compute), micro_batch, shortcuts ? "shortcuts" : "plain", per_s,
                   per_s * operations / 1e12);
        std::fflush(stdout);
    }

    void jacobians(Compute const& compute, std::int64_t micro_batch, bool whole, std::int64_t count) const {
        JacobianPredictor predictor(weights, compute, {.micro_batch = micro_batch});
        predictor.set_table(table);
        std::vector<JacobianWindow> windows;
        for (auto const start : starts(count)) windows.push_back({start, window, window / 2, 0});
        auto const n = static_cast<std::size_t>(count);
        std::vector<float> predictions(n * static_cast<std::size_t>(config.outputs)),
            norms(n * static_cast<std::size_t>(window)), sums(n * static_cast<std::size_t>(config.features)),
            gradients(whole ? n * static_cast<std::size_t>(window * config.features) : 0);
        std::vector const summaries{Summary::sum};
        JacobianResult result;
        result.regions = window;
        result.predictions = predictions;
        result.embedding_norms = norms;
        result.feature_summaries = summaries;
        result.by_feature = sums;
        result.gradients = gradients;
        auto const per_s = static_cast<double>(count) * calls_per_s(seconds, [&] {
                               predictor.run(windows, Attribution::gradient_x_input, result);
                           });
        fmt::print("jacobians   {:13} micro-batch {:4} {:9} {:10.0f} genes/s   {:7.1f} TFLOP/s\n",
                   name_of(compute), micro_batch, whole ? "whole" : "summed", per_s,
                   per_s * 2 * operations / 1e12);
        std::fflush(stdout);
    }

    void products() const {
        for (std::int64_t const batch : {64, 128, 256})
            fmt::print(
                "products    bf16 micro-batch {:4} {:>38.1f} TFLOP/s\n", batch,
                product_operations_per_s(config, batch, window, {0, 1, Precision::bf16}, seconds) / 1e12);
    }
};

}  // namespace

int main(int argc, char** argv) {
    try {
        std::string_view const size = argc > 1 ? argv[1] : "full";
        require(size == "full" || size == "small", "usage: device [full|small] [SECONDS]");
        require(cuda_device_count() > 0, "no CUDA device is visible to this build");
        bool const is_small = size == "small";
        GetConfig config;
        if (is_small) config = {.features = 287, .dim = 64, .depth = 3, .heads = 4, .outputs = 1};
        std::int64_t const window = is_small ? 50 : 200;
        auto const file = std::filesystem::temp_directory_path() / "mpira-perf-device.safetensors";
        write_random_weights(file, config, window);
        Bench const bench{config, window, 20'000, argc > 2 ? std::strtod(argv[2], nullptr) : 1.0, file};
        fmt::print("{}x{}, windows of {} regions, {:.1f} GFLOP a window\n", config.dim, config.depth, window,
                   bench.operations / 1e9);
        bench.products();
        Compute const f32{.device = 0, .precision = Precision::f32};
        Compute const bf16{.device = 0, .precision = Precision::bf16};
        Compute const fastest{.device = 0, .precision = Precision::bf16, .any_order = true};
        for (std::int64_t const batch : {32, 64, 128, 200, 256, 500})
            bench.insertions(bf16, batch, true, 1000);
        bench.insertions(fastest, 200, true, 1000);
        bench.insertions(bf16, 200, false, 1000);
        bench.insertions(f32, 64, true, 256);
        for (std::int64_t const batch : {64, 128, 256}) bench.jacobians(bf16, batch, false, 1024);
        bench.jacobians(fastest, 256, false, 1024);
        bench.jacobians(bf16, 256, true, 1024);
        bench.jacobians(f32, 32, false, 64);
        std::filesystem::remove(file);
        return 0;
    } catch (Error const& error) {
        fmt::print(stderr, "device: {}\n", error.what());
        return error.origin() == Origin::usage ? 2 : 1;
    }
}
