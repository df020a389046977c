// Gradients of a small network, summed over ranks by each engine, beside autograd's own over the whole batch:
// on the host, and on GPUs where a rank has one of its own.
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include <unistd.h>

#include <ATen/Parallel.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "mpira/base/error.hpp"
#include "mpira/base/philox.hpp"
#include "mpira/comm/communicator.hpp"
#include "mpira/comm/devices.hpp"
#include "mpira/model/predictor.hpp"
#include "mpira/train/gradient_engine.hpp"

#include "train/bucket_sum.hpp"

namespace mpira::train {
namespace {

at::Tensor drawn(std::vector<std::int64_t> const& shape, std::uint32_t number) {
    auto values = at::empty(shape, at::kFloat);
    Draws draws(5, Stream::tests, number);
    auto* const data = values.mutable_data_ptr<float>();
    for (std::int64_t i = 0; i < values.numel(); ++i) data[i] = static_cast<float>(draws.uniform() - 0.5);
    return values;
}

/// Three layers, a parameter that no loss depends on, and one that is a bucket by itself.
struct Net {
    explicit Net(at::Device where) : device(where) {
        auto const add = [&](std::vector<std::int64_t> const& shape, std::uint32_t number) {
            parameters.push_back(drawn(shape, number).to(device).requires_grad_(true));
        };
        for (std::uint32_t i = 0; i < 3; ++i) {
            add({6, 6}, i);
            add({6}, 10 + i);
        }
        add({5}, 20);
        add({100, 100}, 21);
    }
    /// Samples [first, end) of the batch, of `length` rows each.
    [[nodiscard]] at::Tensor loss(std::size_t first, std::size_t end, std::uint64_t length) const {
        std::vector<at::Tensor> samples;
        for (auto i = first; i < end; ++i) {
            samples.push_back(
                drawn({static_cast<std::int64_t>(length), 6}, 100 + static_cast<std::uint32_t>(i)));
        }
        auto x = at::cat(samples).to(device);
        for (std::size_t layer = 0; layer < 3; ++layer) {
            x = at::linear(x, parameters[2 * layer], parameters[2 * layer + 1]).tanh();
        }
        return x.square().sum().add(parameters[7].square().sum().mul(x.sum()).mul(1e-3));
    }
    at::Device device;
    std::vector<at::Tensor> parameters;
};

std::vector<float> gradients_of(std::vector<at::Tensor> const& parameters) {
    std::vector<float> all;
    for (auto const& parameter : parameters) {
        auto const& grad = parameter.grad();
        if (!grad.defined()) {
            all.insert(all.end(), static_cast<std::size_t>(parameter.numel()), 0.0F);
            continue;
        }
        auto const flat = grad.to(at::kCPU).contiguous();
        all.insert(all.end(), flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel());
    }
    return all;
}

StepSums take_step(GradientEngine& engine, Net const& net, std::span<std::uint64_t const> lengths,
                   bool wants_stop = false) {
    engine.begin_step();
    for (auto const& pass : engine.passes(lengths)) {
        engine.backward(net.loss(pass.first, pass.end, lengths[pass.first]), pass);
    }
    return engine.finish_step(wants_stop);
}

class EngineTest : public ::testing::TestWithParam<at::DeviceType> {
protected:
    void SetUp() override {
        at::set_num_threads(1);
        if (GetParam() == at::kCPU) return;
        if (model::cuda_device_count() < world.on_this_node().size()) GTEST_SKIP() << "too few GPUs";
        auto const chosen = comm::choose_device(world, comm::DeviceWish::cuda);
        device = at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(chosen.ordinal));
    }
    [[nodiscard]] bool deterministic_runs_here() const { return world.size() != 3; }
    comm::Communicator world = comm::Communicator::world();
    at::Device device = at::kCPU;
};

std::vector<std::uint64_t> const kLengths{4, 4, 4, 7, 7, 4, 4, 4, 4, 4, 3};

TEST_P(EngineTest, sums_are_the_gradients_of_the_whole_batch) {
    for (std::size_t const samples : {kLengths.size(), std::size_t{5}, std::size_t{1}, std::size_t{0}}) {
        auto const lengths = std::span(kLengths).first(samples);
        Net const reference(device);
        double loss = 0;
        for (std::size_t i = 0; i < samples; ++i) {
            auto const part = reference.loss(i, i + 1, lengths[i]);
            part.backward();
            loss += part.item<double>();
        }
        auto const expected = gradients_of(reference.parameters);
        for (bool const deterministic : {false, true}) {
            if (deterministic && !deterministic_runs_here()) continue;
            for (std::uint64_t const bucket_bytes : {1U, 200U, 100000U}) {
                Net const net(device);
                auto const engine = make_gradient_engine(world, net.parameters,
                                                         {.batch = kLengths.size(),
                                                          .micro_batch = 2,
                                                          .deterministic = deterministic,
                                                          .bucket_bytes = bucket_bytes,
                                                          .timeline = {}});
                for (int step = 0; step < 3; ++step) {  // a step leaves nothing for the next
                    bool const last_rank_stops = step == 1 && world.rank() == world.size() - 1;
                    auto const sums = take_step(*engine, net, lengths, last_rank_stops);
                    EXPECT_NEAR(sums.loss, loss, 1e-5 * loss);
                    EXPECT_EQ(sums.wants_stop, step == 1);
                    auto const found = gradients_of(net.parameters);
                    ASSERT_EQ(found.size(), expected.size());
                    for (std::size_t i = 0; i < found.size(); ++i)
                        ASSERT_NEAR(found[i], expected[i], 1e-5 * (1 + std::abs(expected[i])))
                            << "value " << i << " of step " << step;
                    auto const norm = std::sqrt(
                        std::inner_product(expected.begin(), expected.end(), expected.begin(), 0.0));
                    engine->clip(2 * norm + 1);
                    ASSERT_EQ(gradients_of(net.parameters), found);
                    engine->clip(0.5 * norm);
                    ASSERT_NEAR(gradients_of(net.parameters)[0], 0.5F * expected[0],
                                1e-5 * (1 + std::abs(expected[0])));
                }
            }
        }
    }
}

// The engine of a rank alone takes all micro-batches: the tree must give the same bits.
TEST_P(EngineTest, the_tree_gives_the_same_bits_alone_and_together) {
    if (!deterministic_runs_here()) {
        EXPECT_THROW(
            try {
                auto const engine = make_gradient_engine(
                    world, Net(device).parameters,
                    {.batch = 8, .micro_batch = 2, .deterministic = true, .timeline = {}});
            } catch (Error const& error) {
                EXPECT_EQ(error.origin(), Origin::usage);
                EXPECT_THAT(error.what(), ::testing::HasSubstr("train.deterministic can't use 3 ranks"));
                throw;
            },
            Error);
        return;
    }
    auto const self = world.split(world.rank(), 0);
    for (std::uint64_t const micro_batch : {1U, 2U, 32U}) {
        EngineOptions const options{
            .batch = kLengths.size(), .micro_batch = micro_batch, .deterministic = true, .timeline = {}};
        Net const together(device);
        Net const alone(device);
        auto const engine = make_gradient_engine(world, together.parameters, options);
        auto const engine_alone = make_gradient_engine(self, alone.parameters, options);
        for (std::size_t const samples : {kLengths.size(), std::size_t{6}, std::size_t{2}}) {
            auto const lengths = std::span(kLengths).first(samples);
            auto const a = take_step(*engine, together, lengths);
            auto const b = take_step(*engine_alone, alone, lengths);
            EXPECT_EQ(a.loss, b.loss);
            auto const left = gradients_of(together.parameters);
            auto const right = gradients_of(alone.parameters);
            ASSERT_EQ(std::memcmp(left.data(), right.data(), left.size() * sizeof(float)), 0);
        }
    }
}

TEST_P(EngineTest, passes_cover_the_batch_once) {
    for (bool const deterministic : {false, true}) {
        if (deterministic && !deterministic_runs_here()) continue;
        auto const engine = make_gradient_engine(
            world, Net(device).parameters,
            {.batch = 11, .micro_batch = 2, .deterministic = deterministic, .timeline = {}});
        for (std::size_t samples = 0; samples <= kLengths.size(); ++samples) {
            auto const lengths = std::span(kLengths).first(samples);
            for (bool const scoring : {false, true}) {
                std::vector<std::int64_t> seen(samples + 1);
                auto const passes = scoring ? engine->scoring_passes(lengths) : engine->passes(lengths);
                for (auto const& pass : passes) {
                    EXPECT_LE(pass.size(), 2U);
                    for (auto i = pass.first; i < pass.end; ++i) {
                        EXPECT_EQ(lengths[i], lengths[pass.first]);
                        ++seen[i];
                    }
                    EXPECT_TRUE(scoring || pass.last == (&pass == &passes.back()));
                }
                world.all_sum(std::span<std::int64_t>(seen));
                for (std::size_t i = 0; i < samples; ++i) EXPECT_EQ(seen[i], 1);
            }
        }
    }
}

// Apart from an engine, which sums nothing on one rank.
TEST_P(EngineTest, buckets_are_summed_in_the_order_they_were_started) {
    auto const buffer = drawn({1000}, 30).to(device);
    auto const before = buffer.to(at::kCPU, at::kFloat, false, true);
    auto const make = buffer.is_cpu() ? make_host_bucket_sum : make_device_bucket_sum;
    auto const sum = make(world, buffer, nullptr);
    for (int step = 0; step < 3; ++step) {
        buffer.copy_(before.mul(world.rank() + 1));
        sum->start({.first = 600, .count = 400});
        sum->start({.first = 0, .count = 500});
        sum->wait();
        auto const n = world.size();
        auto expected = before.mul(n * (n + 1) / 2);
        expected.narrow(0, 500, 100).copy_(before.narrow(0, 500, 100).mul(world.rank() + 1));  // in no bucket
        EXPECT_TRUE(at::allclose(buffer.to(at::kCPU), expected, 1e-6, 1e-6)) << "step " << step;
    }
}

// What the timeline holds, not how long anything took.
TEST_P(EngineTest, the_timeline_names_every_rank_and_bucket) {
    namespace fs = std::filesystem;
    auto const file =
        fs::temp_directory_path() / world.bcast("mpira-timeline-" + std::to_string(::getpid()) + ".json");
    Net const net(device);
    auto const engine = make_gradient_engine(
        world, net.parameters, {.batch = 11, .micro_batch = 2, .bucket_bytes = 200, .timeline = file});
    for (int step = 0; step < 3; ++step) take_step(*engine, net, kLengths);
    engine->end_training();
    if (world.is_root()) {
        std::ifstream in(file);
        auto const events = nlohmann::json::parse(in).at("traceEvents");
        std::set<int> backwards;
        std::set<int> sums;
        std::set<std::string> buckets;
        for (auto const& event : events) {
            auto const name = event.at("name").get<std::string>();
            int const rank = event.at("pid");
            if (event.at("ph") == "M") continue;
            EXPECT_EQ(event.at("ph"), "X");
            EXPECT_GE(event.at("dur").get<double>(), 0);
            EXPECT_GT(event.at("ts").get<double>(), -1e6);
            EXPECT_GE(event.at("args").at("step").get<int>(), 1);
            EXPECT_LE(event.at("args").at("step").get<int>(), 3);
            if (name == "backward") backwards.insert(rank);
            if (name.ends_with("all-reduce")) {
                EXPECT_EQ(event.at("tid"), 1);
                sums.insert(rank);
                buckets.insert(name);
            }
        }
        auto const ranks = static_cast<std::size_t>(world.size());
        EXPECT_EQ(backwards.size(), ranks);
        EXPECT_EQ(sums.size(), ranks == 1 ? 0 : ranks);
        EXPECT_EQ(buckets.size(), ranks == 1 ? 0U : 4U);  // a layer is 168 bytes, the large one 40,000
        fs::remove(file);
    }
    world.barrier();
}

std::vector<at::DeviceType> devices() {
    std::vector<at::DeviceType> all{at::kCPU};
    if (model::cuda_device_count() > 0) all.push_back(at::kCUDA);
    return all;
}

INSTANTIATE_TEST_SUITE_P(Devices, EngineTest, ::testing::ValuesIn(devices()),
                         [](auto const& one) { return one.param == at::kCPU ? "host" : "gpu"; });

}  // namespace
}  // namespace mpira::train
