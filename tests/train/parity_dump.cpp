// train_parity_dump FILE: trains small networks for 50 steps, one an epoch, and writes all that another
// program needs to do the same: first and last weights, the batch, rate and loss of every step.
// tests/python/train_parity.py does it in PyTorch.
#include <cstdio>
#include <string>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include "mpira/comm/communicator.hpp"
#include "mpira/comm/runtime.hpp"
#include "mpira/model/safetensors.hpp"
#include "mpira/train/holdout.hpp"
#include "mpira/train/trainer.hpp"

#include "train/synthetic.hpp"

namespace mpira::train {
namespace {

constexpr std::uint64_t kWindow = 10;

// Tensors on their way to a file: owns what the views point to.
class Dump {
public:
    void add(std::string name, at::Tensor const& tensor) {
        auto const& host = keep_.emplace_back(tensor.detach().contiguous().clone());
        views_.push_back({std::move(name),
                          model::ScalarType::f32,
                          host.sizes().vec(),
                          {static_cast<std::byte const*>(host.const_data_ptr()), host.nbytes()}});
    }
    void add(std::string const& prefix, model::Get const& get) {
        for (auto const& parameter : get.parameters()) add(prefix + parameter.name, parameter.tensor);
    }
    void write(std::string const& file, std::string const& about) const {
        model::write_safetensors(file, views_, {{"mpira", about}});
    }

private:
    std::vector<at::Tensor> keep_;
    std::vector<model::TensorView> views_;
};

void dump(comm::CommView comm, std::string const& file, std::uint64_t outputs) {
    testing::Synthetic const genome({73, 41}, 6, outputs);
    std::vector<Use> const uses(genome.table.places(), Use::train);
    WindowPlan const plan(genome.regions(), genome.table.rows,
                          runs_of(genome.regions(), genome.table.rows, uses, Use::train), kWindow, 5'000'000);
    model::GetConfig config;
    config.features = 7;
    config.dim = 24;
    config.depth = 2;
    config.heads = 3;
    config.outputs = static_cast<std::int64_t>(outputs);
    config.head = outputs == 1 ? model::HeadKind::accessibility : model::HeadKind::expression;
    config.drop_path = 0;
    model::Get get(config, 11);
    Recipe recipe;
    recipe.epochs = 50;
    recipe.batch = 1000;  // every epoch is one step
    recipe.micro_batch = 3;
    recipe.lr = 3e-3;
    recipe.min_lr = 3e-5;
    recipe.warmup_fraction = 0.2;
    recipe.clip_gradient = 0.5;
    recipe.seed = 5;

    Dump out;
    out.add("first/", get);
    nlohmann::json losses = nlohmann::json::array();
    nlohmann::json rates = nlohmann::json::array();
    for (std::uint32_t step = 0; step < recipe.epochs; ++step) {
        auto const windows = plan.epoch(recipe.seed, step);
        auto x = at::empty({static_cast<std::int64_t>(windows.size()), kWindow, config.features}, at::kFloat);
        auto y = at::empty({static_cast<std::int64_t>(windows.size()), kWindow, config.outputs}, at::kFloat);
        auto const width = static_cast<std::size_t>(kWindow) * static_cast<std::size_t>(config.features);
        for (std::size_t i = 0; i < windows.size(); ++i) {
            genome.table.read_inputs(windows[i], {x.mutable_data_ptr<float>() + i * width, width});
            auto const targets = genome.table.targets_of(windows[i]);
            std::copy(targets.begin(), targets.end(), y.mutable_data_ptr<float>() + i * targets.size());
        }
        out.add("x/" + std::to_string(step), x);
        out.add("y/" + std::to_string(step), y);
    }
    Trainer trainer(comm, get, genome.table, plan, {}, recipe);
    trainer.run({}, [&](EpochRecord const& record) {
        losses.push_back(record.train_loss);
        rates.push_back(record.lr);
    });
    out.add("last/", trainer.kept());
    out.write(file, nlohmann::json{{"architecture", config}, {"loss", losses}, {"lr", rates}}.dump());
}

}  // namespace
}  // namespace mpira::train

int main(int argc, char** argv) {
    return mpira::comm::run_main(argc, argv, [&] {
        at::set_num_threads(1);
        auto const world = mpira::comm::Communicator::world();
        std::string const folder = argv[1];
        mpira::train::dump(world, folder + "/accessibility.safetensors", 1);
        mpira::train::dump(world, folder + "/expression.safetensors", 2);
        return 0;
    });
}
