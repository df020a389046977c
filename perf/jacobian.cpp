// What a gene's Jacobian costs: ours, beside the unshortened forward and beside the way of the published code
// (spec/get.md 3), all on the same windows with the same LibTorch. Then what a removed region costs beside
// that forward.
//
//   build/release/perf/jacobian [full|small] [PAIRS]
//   build/release/perf/jacobian [full|small] beside FOLDER      (started by jacobian.py)
//
// The published way: a forward, then for each of both strands a fresh forward and a full backward, weights
// included, of which the gene's own strand is used. One thread, CPU seconds of the process (the machine may
// be shared), medians over interleaved rounds after a warm-up.
#include "mpira/model/jacobian.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <span>
#include <string>
#include <vector>

#include <unistd.h>

#include <ATen/Parallel.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/InferenceMode.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include "mpira/base/philox.hpp"
#include "mpira/model/get.hpp"
#include "mpira/model/speed.hpp"

#include "timing.hpp"
#include "uniform.hpp"

namespace {

using namespace mpira;
using namespace mpira::model;

void write_floats(std::filesystem::path const& file, std::vector<float> const& values) {
    std::ofstream out(file, std::ios::binary);
    auto const bytes = std::as_bytes(std::span(values));
    out.write(reinterpret_cast<char const*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

void measure(GetConfig const& config, std::int64_t regions, std::int64_t genes, int pairs,
             std::filesystem::path const& beside) {
    auto const file = beside.empty() ? std::filesystem::temp_directory_path() /
                                           fmt::format("mpira-perf-{}.safetensors", ::getpid())
                                     : beside / "weights.safetensors";
    write_random_weights(file, config, regions);
    JacobianPredictor ours(file, {}, {.micro_batch = genes});
    JacobianPredictor unshortened(file, {}, {.micro_batch = genes, .one_query = false});
    Get get{Weights(file)};
    if (beside.empty())
        std::filesystem::remove(file);  // the mapping is gone with Weights, the tensors were copied

    auto const table_regions = regions + genes;
    auto const features = perf::uniform(table_regions * config.motifs(), 1);
    FeatureTable const table{table_regions, config.motifs(), features, {}, {}};
    ours.set_table(table);
    unshortened.set_table(table);
    std::vector<JacobianWindow> windows;
    std::vector<float> x;
    for (std::int64_t g = 0; g < genes; ++g) {
        windows.push_back({g, regions, regions / 2, g % config.outputs});
        auto const input = ours.input(windows.back());
        x.insert(x.end(), input.begin(), input.end());
    }
    auto const input = at::from_blob(x.data(), {genes, regions, config.features}, at::kFloat);
    std::vector<float> gradients(x.size());

    auto const reference = [&] {
        get.require_grad(true);
        static_cast<void>(get.forward(input));
        for (std::int64_t strand = 0; strand < 2; ++strand) {
            auto const leaf = input.detach().requires_grad_(true);
            auto const read = get.forward(leaf).select(1, regions / 2).select(1, strand).sum();
            std::vector<at::Tensor> of{leaf};
            for (auto const& parameter : get.parameters()) of.push_back(parameter.tensor);
            static_cast<void>(torch::autograd::grad({read}, of, {}, false, false, true));
        }
    };
    auto const forward = [&] {
        get.require_grad(false);
        c10::InferenceMode const inference;
        static_cast<void>(get.forward(input));
    };
    auto const with = [&](JacobianPredictor& predictor) {
        return [&] {
            JacobianResult result;
            result.regions = regions;
            result.gradients = gradients;
            predictor.run(windows, Attribution::gradient, result);
        };
    };
    if (!beside.empty()) {
        // A line asks for a turn, its CPU seconds are the answer.
        write_floats(beside / "x.f32", x);
        auto const jacobian = with(ours);
        for (std::string turn; std::getline(std::cin, turn);) {
            double const begin = perf::cpu_seconds();
            turn == "forward" ? forward() : jacobian();
            fmt::print("{}\n", perf::cpu_seconds() - begin);
            std::fflush(stdout);
            write_floats(beside / "gradients.f32", gradients);
        }
        return;
    }
    std::vector<perf::Contender> contenders{{"forward, unshortened", forward},
                                            {"Jacobian, ours", with(ours)},
                                            {"Jacobian, every query", with(unshortened)},
                                            {"Jacobian, published way", reference}};
    perf::take_turns(contenders, pairs);
    auto const ratio = [&](std::size_t above, std::size_t below) {
        auto const [median, least, most] = perf::ratio(contenders[above], contenders[below]);
        return fmt::format("{:.2f} ({:.2f}-{:.2f})", median, least, most);
    };
    for (std::size_t i = 0; i < contenders.size(); ++i) {
        fmt::print("{:26} {:8.3f} CPU s a gene, {} of the forward\n", contenders[i].name,
                   perf::spread_of(contenders[i].seconds).median / static_cast<double>(genes), ratio(i, 0));
    }
    fmt::print("published way / ours: {}\n", ratio(3, 1));

    // Of one window, as many as a few micro-batches.
    constexpr std::int64_t kBatches = 4;
    std::vector<std::int64_t> removed;
    for (std::int64_t region = 0; region < kBatches * genes; ++region)
        removed.push_back(region % (regions / 2));
    std::vector<float> out(removed.size() * static_cast<std::size_t>(config.outputs));
    std::vector<perf::Contender> removals{
        {"forwards, unshortened",
         [&] {
             for (std::int64_t i = 0; i < kBatches; ++i) forward();
         }},
        {"a region removed", [&] { ours.remove(windows.front(), Removal::close, removed, out); }},
        {"a region zeroed", [&] { ours.remove(windows.front(), Removal::zero, removed, out); }}};
    perf::take_turns(removals, pairs);
    for (auto const& one : removals) {
        auto const [median, least, most] = perf::ratio(one, removals.front());
        fmt::print("{:26} {:8.3f} CPU s each, {:.2f} ({:.2f}-{:.2f}) of the forward\n", one.name,
                   perf::spread_of(one.seconds).median / static_cast<double>(kBatches * genes), median, least,
                   most);
    }
}

}  // namespace

int main(int argc, char** argv) {
    at::set_num_threads(1);
    std::string const size = argc > 1 ? argv[1] : "full";
    bool const is_beside = argc > 3 && std::string(argv[2]) == "beside";
    std::filesystem::path const beside = is_beside ? argv[3] : "";
    int const pairs = argc > 2 && !is_beside ? std::atoi(argv[2]) : 7;
    if (size == "full") {
        measure(GetConfig{}, 200, 2, pairs, beside);
    } else if (size == "small") {
        measure({.features = 287, .dim = 64, .depth = 3, .heads = 4, .outputs = 2}, 50, 16, pairs, beside);
    } else {
        std::fputs("usage: jacobian [full|small] [PAIRS | beside FOLDER]\n", stderr);
        return 2;
    }
    return 0;
}
