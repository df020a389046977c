// ddp HOW DIM DEPTH SAMPLES STEPS [MB]: training steps of a GET on synthetic windows of 200 regions, one
// thread a rank: forward, backward, sums over the ranks, fused AdamW. Rank 0 prints a JSON line: seconds of
// each step, and CPU seconds, of all threads of all ranks.
//
// HOW: buckets (sums of MB during the backward pass, as `mpira train`), after (one sum after it), tree
// (train.deterministic), apart (every rank for itself, but all at once: what the sums add is the rest).
// perf/ddp.py starts this beside PyTorch's DistributedDataParallel.
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <nlohmann/json.hpp>

#include "mpira/base/error.hpp"
#include "mpira/base/philox.hpp"
#include "mpira/comm/communicator.hpp"
#include "mpira/comm/runtime.hpp"
#include "mpira/model/get.hpp"
#include "mpira/model/network.hpp"
#include "mpira/train/adamw.hpp"
#include "mpira/train/gradient_engine.hpp"

#include "timing.hpp"

namespace {

constexpr std::int64_t kRegions = 200;
constexpr std::int64_t kFeatures = 283;

at::Tensor drawn(std::vector<std::int64_t> const& shape, std::uint32_t number) {
    auto values = at::empty(shape, at::kFloat);
    mpira::Draws draws(1, mpira::Stream::tests, number);
    auto* const data = values.mutable_data_ptr<float>();
    for (std::int64_t i = 0; i < values.numel(); ++i) data[i] = static_cast<float>(draws.uniform());
    return values;
}

int measure(std::vector<std::string> const& words) {
    using namespace mpira;
    require(words.size() == 5 || words.size() == 6, "ddp HOW DIM DEPTH SAMPLES STEPS [MB]");
    auto const& how = words[0];
    require(how == "buckets" || how == "after" || how == "tree" || how == "apart",
            how + ": HOW is buckets, after, tree or apart");
    auto const world = comm::Communicator::world();
    auto const self = world.split(world.rank(), 0);
    at::set_num_threads(1);

    model::GetConfig config;
    config.features = kFeatures;
    config.dim = std::stol(words[1]);
    config.depth = std::stol(words[2]);
    config.heads = 12;
    config.outputs = 2;
    config.head = model::HeadKind::expression;
    model::Get get(config, 1);
    get.require_grad(true);
    std::vector<at::Tensor> parameters;
    for (auto const& parameter : get.parameters()) parameters.push_back(parameter.tensor);

    auto const samples = std::stoll(words[3]);
    auto const ranks = static_cast<std::uint64_t>(world.size());
    comm::CommView const group = how == "apart" ? comm::CommView(self) : comm::CommView(world);
    auto const size = static_cast<std::uint64_t>(group.size());
    double const mb = words.size() == 6 ? std::stod(words[5]) : 25;
    auto const engine = train::make_gradient_engine(
        group, parameters,
        {.batch = static_cast<std::uint64_t>(samples) * size,
         .micro_batch = static_cast<std::uint64_t>(samples),
         .deterministic = how == "tree",
         .bucket_bytes = how == "after" ? std::uint64_t{1} << 62 : static_cast<std::uint64_t>(mb * 0x1p20),
         .timeline = {}});
    train::AdamW optimiser({{.tensors = parameters, .weight_decay = 0.05}}, {});
    std::vector<std::uint64_t> const lengths(static_cast<std::size_t>(samples) * size, kRegions);
    auto const x = drawn({samples, kRegions, kFeatures}, static_cast<std::uint32_t>(world.rank()));
    auto const y = drawn({samples, kRegions, 2}, 100 + static_cast<std::uint32_t>(world.rank()));

    std::vector<double> seconds;
    std::vector<double> cpu_seconds;
    for (int step = 0; step < std::stoi(words[4]); ++step) {
        world.barrier();
        auto const begin = std::chrono::steady_clock::now();
        auto const cpu_begin = perf::cpu_seconds();
        engine->begin_step();
        std::int64_t at = 0;
        for (auto const& pass : engine->passes(lengths)) {
            auto const count = static_cast<std::int64_t>(pass.size());
            auto const predicted = [&] {  // as trainers do
                model::OneDnnForward const by_onednn;
                return get.forward(x.narrow(0, at, count));
            }();
            auto const loss = model::poisson_loss(predicted, y.narrow(0, at, count));
            engine->backward(loss.mul(1.0 / static_cast<double>(ranks)), pass);
            at += count;
        }
        engine->finish_step(false);
        optimiser.step(1e-4);
        auto const mine = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
        cpu_seconds.push_back(world.all_sum(perf::cpu_seconds() - cpu_begin));
        seconds.push_back(world.all_max(mine));
    }
    if (world.is_root()) {
        nlohmann::json const told{{"seconds", seconds}, {"cpu_seconds", cpu_seconds}};
        std::printf("%s\n", told.dump().c_str());
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    return mpira::comm::run_main(argc, argv, [&] { return measure({argv + 1, argv + argc}); });
}
