// The trainer on a small synthetic genome, on any number of ranks.
#include "mpira/train/trainer.hpp"

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>

#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpira/base/error.hpp"
#include "mpira/comm/communicator.hpp"
#include "mpira/train/holdout.hpp"

#include "train/synthetic.hpp"

namespace mpira::train {
namespace {

namespace fs = std::filesystem;
using testing::Synthetic;

model::GetConfig small_network(model::HeadKind head, std::int64_t outputs) {
    model::GetConfig config;
    config.features = 9;
    config.dim = 16;
    config.depth = 2;
    config.heads = 2;
    config.outputs = outputs;
    config.head = head;
    config.drop_path = 0.2;
    return config;
}

Recipe small_recipe() {
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
    [[nodiscard]] model::Get network() const {
        auto const outputs = static_cast<std::int64_t>(genome.table.outputs);
        return {small_network(outputs == 1 ? model::HeadKind::accessibility : model::HeadKind::expression,
                              outputs),
                3};
    }
    Synthetic genome;
    std::vector<Use> uses;
    std::vector<genome::PlaceRange> test;
    std::vector<genome::PlaceRange> validation;
};

std::vector<float> weights_of(model::Get const& get) {
    std::vector<float> all;
    for (auto const& parameter : get.parameters()) {
        auto const flat = parameter.tensor.detach().contiguous();
        all.insert(all.end(), flat.const_data_ptr<float>(), flat.const_data_ptr<float>() + flat.numel());
    }
    return all;
}

// A folder of this test on this rank count, the same on all ranks; empty at the start.
class Folder {
public:
    Folder(comm::CommView comm, std::string const& name)
        : comm_(comm),
          path_(fs::temp_directory_path() / comm.bcast("mpira-" + name + std::to_string(::getpid()))) {
        if (comm_.is_root()) fs::create_directories(path_);
        comm_.barrier();
    }
    ~Folder() {
        comm_.barrier();
        if (comm_.is_root()) fs::remove_all(path_);
    }
    Folder(Folder const&) = delete;
    Folder& operator=(Folder const&) = delete;
    [[nodiscard]] fs::path operator/(char const* name) const { return path_ / name; }

private:
    comm::CommView comm_;
    fs::path path_;
};

class TrainerTest : public ::testing::Test {
protected:
    TrainerTest() { at::set_num_threads(1); }
    comm::Communicator world = comm::Communicator::world();
};

// Every rank also trains by itself, on a communicator of its own: one rank, the whole global batch.
TEST_F(TrainerTest, loss_curve_does_not_depend_on_the_rank_count) {
    for (std::uint64_t const outputs : {1U, 2U}) {
        Split const split(true, outputs);
        Trainer together(world, split.network(), split.genome.table, split.plan(), split.validation,
                         small_recipe());
        auto const self = world.split(world.rank(), 0);
        Trainer alone(self, split.network(), split.genome.table, split.plan(), split.validation,
                      small_recipe());
        EXPECT_EQ(together.run(), Outcome::finished);
        EXPECT_EQ(alone.run(), Outcome::finished);
        ASSERT_EQ(together.history().size(), 6U);
        for (std::size_t i = 0; i < 6; ++i) {
            auto const& a = together.history()[i];
            auto const& b = alone.history()[i];
            EXPECT_NEAR(a.train_loss, b.train_loss, 1e-5);
            EXPECT_NEAR(a.validation->loss, b.validation->loss, 1e-5);
            EXPECT_EQ(a.step, b.step);
        }
        EXPECT_EQ(together.kept_epoch(), alone.kept_epoch());
        auto const a = together.predict(split.test);
        auto const b = alone.predict(split.test);
        for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 2e-4);
    }
}

TEST_F(TrainerTest, learns) {
    Split const split(false);
    auto recipe = small_recipe();
    recipe.epochs = 40;
    recipe.input_dropout = 0;
    Trainer trainer(world, split.network(), split.genome.table, split.plan(), {}, recipe);
    auto const before = trainer.score(trainer.predict(split.test), split.test);
    trainer.run();
    auto const after = trainer.score(trainer.predict(split.test), split.test);
    EXPECT_LT(after.loss, before.loss);
    EXPECT_GT(after.pearson, 0.6);
    EXPECT_GT(after.auroc, 0.9);
    EXPECT_LT(trainer.history().back().train_loss, 0.8 * trainer.history().front().train_loss);
    EXPECT_EQ(trainer.kept_epoch(), 40U);
}

// A stop is asked for by one rank only, at various steps; what is taken up gives the bits of a run that was
// never stopped.
TEST_F(TrainerTest, resume_gives_the_same_bits) {
    Folder const folder(world, "resume");
    Split const split(true);
    CheckpointPolicy const policy{.file = folder / "w.checkpoint", .identity = {{"seed", 7}}, .every_s = 0};
    auto const make = [&](CheckpointPolicy const& with) {
        return std::make_unique<Trainer>(world, split.network(), split.genome.table, split.plan(),
                                         split.validation, small_recipe(), with);
    };
    auto const whole = make({});
    whole->run();

    int const asker = world.size() - 1;
    for (int const patience : {3, 1, 8, 5}) {  // the second stops right after a resume
        auto trainer = make(policy);
        trainer->resume();
        int calls = 0;
        auto const outcome = trainer->run([&] { return ++calls == patience && world.rank() == asker; });
        EXPECT_EQ(outcome, Outcome::stopped);
    }
    auto const last = make(policy);
    EXPECT_TRUE(last->resume());
    EXPECT_EQ(last->run(), Outcome::finished);
    EXPECT_EQ(weights_of(last->kept()), weights_of(whole->kept()));
    EXPECT_EQ(last->kept_epoch(), whole->kept_epoch());
    ASSERT_EQ(last->history().size(), whole->history().size());
    for (std::size_t i = 0; i < last->history().size(); ++i) {
        EXPECT_EQ(last->history()[i].train_loss, whole->history()[i].train_loss);
        EXPECT_EQ(last->history()[i].validation->pearson, whole->history()[i].validation->pearson);
    }
    EXPECT_EQ(last->predict(split.test), whole->predict(split.test));
}

TEST_F(TrainerTest, checkpoint_of_something_else_is_refused_on_every_rank) {
    Folder const folder(world, "foreign");
    Split const split(false);
    auto const file = folder / "w.checkpoint";
    auto const refusal = [&](nlohmann::json const& identity, model::Get network) -> std::string {
        Trainer trainer(world, std::move(network), split.genome.table, split.plan(), {}, small_recipe(),
                        {.file = file, .identity = identity, .every_s = 0});
        try {
            trainer.resume();
        } catch (Error const& error) {
            EXPECT_EQ(error.origin(), Origin::usage);
            return error.what();
        }
        return {};
    };
    Trainer first(world, split.network(), split.genome.table, split.plan(), {}, small_recipe(),
                  {.file = file, .identity = {{"train.lr", 0.005}}, .every_s = 0});
    first.run();
    EXPECT_EQ(refusal({{"train.lr", 0.005}}, split.network()), "");
    EXPECT_THAT(refusal({{"train.lr", 0.001}}, split.network()),
                ::testing::AllOf(::testing::HasSubstr("train.lr"), ::testing::HasSubstr("0.005"),
                                 ::testing::HasSubstr("--fresh")));
    auto wider = small_network(model::HeadKind::accessibility, 1);
    wider.dim = 32;
    EXPECT_THAT(refusal({{"train.lr", 0.005}}, model::Get(wider, 1)), ::testing::HasSubstr("shape"));

    world.barrier();
    if (world.is_root()) fs::resize_file(file, fs::file_size(file) - 8);
    world.barrier();
    EXPECT_THAT(refusal({{"train.lr", 0.005}}, split.network()), ::testing::HasSubstr("w.checkpoint"));
}

// The weights that are kept are those of the epoch with the least validation loss.
TEST_F(TrainerTest, keeps_the_best_epoch) {
    Split const split(true);
    auto recipe = small_recipe();
    recipe.epochs = 12;
    recipe.lr = 0.05;  // restless enough that the last epoch isn't the best one
    recipe.min_lr = 0.05;
    Trainer trainer(world, split.network(), split.genome.table, split.plan(), split.validation, recipe);
    trainer.run();
    auto const& history = trainer.history();
    auto const best = std::min_element(history.begin(), history.end(), [](auto const& a, auto const& b) {
        return a.validation->loss < b.validation->loss;
    });
    ASSERT_NE(best->epoch, history.back().epoch) << "the recipe is too tame for this test";
    EXPECT_EQ(trainer.kept_epoch(), best->epoch);
    auto const again = trainer.score(trainer.predict(split.validation), split.validation);
    EXPECT_EQ(again.loss, best->validation->loss);
}

TEST_F(TrainerTest, more_ranks_than_windows) {
    Synthetic const genome({23});
    std::vector<Use> const uses(23, Use::train);
    Recipe recipe = small_recipe();
    recipe.batch = 1;
    Trainer trainer(world, model::Get(small_network(model::HeadKind::accessibility, 1), 3), genome.table,
                    {genome.regions(), genome.table.rows,
                     runs_of(genome.regions(), genome.table.rows, uses, Use::train), 10, 5'000'000},
                    {}, recipe);
    EXPECT_EQ(trainer.run(), Outcome::finished);
    EXPECT_EQ(trainer.history().back().step, trainer.total_steps());
}

TEST_F(TrainerTest, a_loss_that_is_not_finite_ends_the_run) {
    Split const split(false);
    auto recipe = small_recipe();
    recipe.lr = 1e9;
    recipe.min_lr = 1e9;
    recipe.clip_gradient = 0;
    Trainer trainer(world, split.network(), split.genome.table, split.plan(), {}, recipe);
    EXPECT_THROW(trainer.run(), Error);
}

}  // namespace
}  // namespace mpira::train
