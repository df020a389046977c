// train_parity_dump FOLDER: trains a small network of each stage for 50 steps, one an epoch, and writes all
// that another program needs to do the same: first and last weights, the batch, mask, rate and loss of every
// step. tests/python/train_parity.py does it in PyTorch.
#include <cstdio>
#include <string>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "mpira/comm/communicator.hpp"
#include "mpira/comm/runtime.hpp"
#include "mpira/model/baseline.hpp"
#include "mpira/model/lora.hpp"
#include "mpira/model/safetensors.hpp"
#include "mpira/train/holdout.hpp"
#include "mpira/train/objective.hpp"
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
    void add(std::string const& prefix, model::Network const& network) {
        for (auto const& parameter : network.parameters()) add(prefix + parameter.name, parameter.tensor);
    }
    void write(std::string const& file, std::string const& about) const {
        model::write_safetensors(file, views_, {{"mpira", about}});
    }

private:
    std::vector<at::Tensor> keep_;
    std::vector<model::TensorView> views_;
};

model::GetConfig config_of(model::HeadKind head, std::int64_t outputs) {
    return {
        .features = 7, .dim = 24, .depth = 2, .heads = 3, .outputs = outputs, .head = head, .drop_path = 0};
}

Recipe recipe_of_all() {
    Recipe recipe;
    recipe.epochs = 50;
    recipe.batch = 1000;  // every epoch is one step
    recipe.micro_batch = 3;
    recipe.lr = 1e-3;
    recipe.min_lr = 1e-5;
    recipe.warmup_fraction = 0.2;
    recipe.clip_gradient = 0.5;
    recipe.seed = 5;
    return recipe;
}

// The synthetic genome for a network of this head.
std::unique_ptr<testing::Synthetic> genome_for(model::NetworkFacts const& facts) {
    bool const masked = facts.head == model::HeadKind::masked;
    auto const outputs = masked ? 2 : static_cast<std::uint64_t>(facts.outputs);
    auto genome = std::make_unique<testing::Synthetic>(std::vector<std::uint64_t>{73, 41}, 6, outputs);
    if (masked) {
        genome->table.targets.clear();
        genome->table.outputs = static_cast<std::uint64_t>(facts.features);
    }
    return genome;
}

// Inputs, targets and masks of a step's windows, from the table's host path, which training doesn't use.
void add_batch(Dump& out, std::uint32_t step, testing::Synthetic const& genome,
               std::vector<genome::PlaceRange> const& windows, Recipe const& recipe,
               Objective const& objective) {
    auto const count = static_cast<std::int64_t>(windows.size());
    auto const& table = genome.table;
    auto const width = static_cast<std::size_t>(kWindow * (table.motifs() + 1));
    auto const window = static_cast<std::int64_t>(kWindow);
    auto x = at::empty({count, window, static_cast<std::int64_t>(table.motifs()) + 1}, at::kFloat);
    auto y = at::empty({count, window, static_cast<std::int64_t>(table.outputs)}, at::kFloat);
    auto mask = at::zeros({count, window}, at::kFloat);
    std::vector<std::uint8_t> drawn(kWindow);
    for (std::size_t i = 0; i < windows.size(); ++i) {
        table.read_inputs(windows[i], {x.mutable_data_ptr<float>() + i * width, width});
        if (!table.targets.empty()) {
            auto const targets = table.targets_of(windows[i]);
            std::copy(targets.begin(), targets.end(), y.mutable_data_ptr<float>() + i * targets.size());
        }
        if (objective.draw_mask(drawn, {recipe.seed, step, static_cast<std::uint32_t>(i)})) {
            std::copy(drawn.begin(), drawn.end(), mask.mutable_data_ptr<float>() + i * kWindow);
        }
    }
    out.add("x/" + std::to_string(step), x);
    out.add("y/" + std::to_string(step), y);
    out.add("mask/" + std::to_string(step), mask);
}

void dump(comm::CommView comm, std::string const& file, std::unique_ptr<model::Network> network,
          Recipe const& recipe, nlohmann::json about) {
    auto const genome = genome_for(network->facts());
    auto const& table = genome->table;
    std::vector<Use> const uses(table.places(), Use::train);
    WindowPlan const plan(genome->regions(), table.rows,
                          runs_of(genome->regions(), table.rows, uses, Use::train), kWindow, 5'000'000);
    Dump out;
    out.add("first/", *network);
    auto const objective = make_objective(network->facts().head, table.outputs, recipe.mask);
    for (std::uint32_t step = 0; step < recipe.epochs; ++step) {
        add_batch(out, step, *genome, plan.epoch(recipe.seed, step), recipe, *objective);
    }
    about["trained"] = nlohmann::json::array();
    for (auto const& parameter : network->trainable_parameters()) about["trained"].push_back(parameter.name);
    about["loss"] = nlohmann::json::array();
    about["lr"] = nlohmann::json::array();
    about["layer_decay"] = recipe.layer_decay;
    about["ema_decay"] = recipe.ema_decay;
    Trainer trainer(comm, std::move(network), table, plan, {}, recipe);
    trainer.run({}, [&](EpochRecord const& record) {
        about["loss"].push_back(record.train_loss);
        about["lr"].push_back(record.lr);
    });
    out.add("last/", trainer.kept());
    out.write(file, about.dump());
}

// A stage a file.
void dump_all(comm::CommView comm, std::string const& folder) {
    using model::HeadKind;
    auto const recipe = recipe_of_all();
    auto const file = [&](char const* stage) { return folder + "/" + stage + ".safetensors"; };
    auto const train_get = [&](char const* stage, model::Get get, Recipe const& with) {
        nlohmann::json const about{{"architecture", get.config()}};
        dump(comm, file(stage), model::network_of(std::move(get)), with, about);
    };
    train_get("accessibility", {config_of(HeadKind::accessibility, 1), 11}, recipe);
    train_get("expression", {config_of(HeadKind::expression, 2), 11}, recipe);
    model::Get const pretrained(config_of(HeadKind::masked, 7), 12);
    auto averaging = recipe;
    averaging.ema_decay = 0.9;
    train_get("masked", pretrained.clone(), averaging);

    // Fine-tuning from the pretrained trunk with a fresh head: all weights, or adaptors.
    auto const expression = config_of(HeadKind::expression, 2);
    auto layer_wise = recipe;
    layer_wise.layer_decay = 0.75;
    train_get("full", model::Get(expression, pretrained.clone(), 13), layer_wise);
    auto const base = folder + "/base.weights";
    model::ModelCard card;
    card.assembly = "synthetic";
    card.motifs.assign(6, "motif");
    card.scales.assign(6, 10.0);
    card.window = kWindow;
    card.focus = kWindow / 2;
    (void)model::network_of(pretrained.clone())->write(base, card);
    model::LoraConfig const lora{.rank = 3, .alpha = 6, .layers = model::lora_layers("encoder", "here")};
    dump(comm, file("lora"), std::make_unique<model::Lora>(model::Weights(base), expression, lora, 14),
         recipe, {{"architecture", expression}, {"lora", {{"rank", lora.rank}, {"alpha", lora.alpha}}}});

    for (auto const kind : {model::BaselineKind::cnn, model::BaselineKind::mlp}) {
        bool const cnn = kind == model::BaselineKind::cnn;
        auto config = model::BaselineConfig::published(kind, 7, 2, HeadKind::expression);
        config.channels = cnn ? std::vector<std::int64_t>{12, 8} : std::vector<std::int64_t>{};
        config.hidden = {16};
        dump(comm, file(cnn ? "cnn" : "mlp"), std::make_unique<model::Baseline>(config, 15), recipe,
             {{"baseline", config}});
    }
}

}  // namespace
}  // namespace mpira::train

int main(int argc, char** argv) {
    return mpira::comm::run_main(argc, argv, [&] {
        at::set_num_threads(1);
        auto const world = mpira::comm::Communicator::world();
        mpira::train::dump_all(world, argv[1]);
        return 0;
    });
}
