#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "mpira/comm/communicator.hpp"
#include "mpira/train/holdout.hpp"
#include "mpira/train/trainer.hpp"

#include "support/shared_folder.hpp"
#include "train/synthetic.hpp"

// What the trainer's tests share: a small network and recipe, a split genome, a folder.
namespace mpira::train::testing {

namespace fs = std::filesystem;

inline model::GetConfig small_network(model::HeadKind head, std::int64_t outputs) {
    return {
        .features = 9, .dim = 16, .depth = 2, .heads = 2, .outputs = outputs, .head = head, .drop_path = 0.2};
}

inline Recipe small_recipe() {
    Recipe recipe;
    recipe.epochs = 6;
    recipe.batch = 5;
    recipe.micro_batch = 2;
    recipe.lr = 5e-3;
    recipe.min_lr = 5e-5;
    recipe.input_dropout = 0.1;
    recipe.clip_gradient = 5;
    recipe.seed = 7;
    return recipe;
}

// A genome with its split: chr2 validates (or nothing), chr3:0-150000 is the test set.
struct Split {
    explicit Split(bool with_validation, std::uint64_t outputs = 1) : genome({120, 60, 100}, 8, outputs) {
        Holdout holdout;
        holdout.test = {{"chr3", 0, 80000}};
        if (with_validation) holdout.validation = {{"chr2"}};
        uses = assign_uses(genome.regions(), genome.table.rows, holdout);
        test = runs_of(genome.regions(), genome.table.rows, uses, Use::test);
        validation = runs_of(genome.regions(), genome.table.rows, uses, Use::validation);
    }
    [[nodiscard]] WindowPlan plan() const {
        return {genome.regions(), genome.table.rows,
                runs_of(genome.regions(), genome.table.rows, uses, Use::train), 10, 5'000'000};
    }
    [[nodiscard]] std::unique_ptr<model::Network> network() const {
        auto const outputs = static_cast<std::int64_t>(genome.table.outputs);
        auto const head = outputs == 1 ? model::HeadKind::accessibility : model::HeadKind::expression;
        return model::network_of(model::Get(small_network(head, outputs), 3));
    }
    Synthetic genome;
    std::vector<Use> uses;
    std::vector<genome::PlaceRange> test;
    std::vector<genome::PlaceRange> validation;
};

inline std::vector<float> weights_of(model::Network const& network) {
    std::vector<float> all;
    for (auto const& parameter : network.parameters()) {
        auto const flat = parameter.tensor.detach().contiguous();
        all.insert(all.end(), flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel());
    }
    return all;
}

using Folder = test::SharedFolder;

class TrainerTest : public ::testing::Test {
protected:
    TrainerTest() { at::set_num_threads(1); }
    comm::Communicator world = comm::Communicator::world();
};

}  // namespace mpira::train::testing
