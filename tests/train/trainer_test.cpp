// The trainer on a small synthetic genome, on any number of ranks.
#include "mpira/train/trainer.hpp"

#include <cmath>
#include <filesystem>
#include <fstream>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpira/base/error.hpp"
#include "mpira/train/checkpoint.hpp"

#include "train/trainer_fixture.hpp"

namespace mpira::train {
namespace {

namespace fs = std::filesystem;
using testing::Folder;
using testing::small_network;
using testing::small_recipe;
using testing::Split;
using testing::Synthetic;
using testing::TrainerTest;
using testing::weights_of;

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

TEST_F(TrainerTest, products_are_those_of_the_recipe) {
    if (!model::has_onednn()) GTEST_SKIP() << "this LibTorch has no oneDNN";
    Split const split(true);
    auto const predicted_by = [&](model::Products products) {
        auto recipe = small_recipe();
        recipe.arithmetic.products = products;
        Trainer trainer(world, split.network(), split.genome.table, split.plan(), split.validation, recipe);
        EXPECT_EQ(trainer.run(), Outcome::finished);
        return trainer.predict(split.test);
    };
    auto const onednn = predicted_by(model::Products::onednn);
    auto const blas = predicted_by(model::Products::blas);
    EXPECT_NE(onednn, blas);
    ASSERT_EQ(onednn.size(), blas.size());
    for (std::size_t i = 0; i < blas.size(); ++i) ASSERT_NEAR(onednn[i], blas[i], 2e-4);
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
    Folder const folder(world);
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
    Folder const folder(world);
    Split const split(false);
    auto const file = folder / "w.checkpoint";
    auto const refusal = [&](nlohmann::json const& identity,
                             std::unique_ptr<model::Network> network) -> std::string {
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
    EXPECT_THAT(refusal({{"train.lr", 0.005}}, model::network_of(model::Get(wider, 1))),
                ::testing::HasSubstr("shape"));

    // Torn, or a bit flipped: the previous one is taken up; without a whole one the run is refused.
    auto const damage = [&](auto&& how) {
        world.barrier();
        if (world.is_root()) how();
        world.barrier();
    };
    damage([&] { fs::resize_file(file, fs::file_size(file) - 8); });
    EXPECT_EQ(refusal({{"train.lr", 0.005}}, split.network()), "");
    damage([&] { fs::remove(file); });  // killed between the two renames
    EXPECT_EQ(refusal({{"train.lr", 0.005}}, split.network()), "");
    damage([&] {
        std::fstream previous(previous_of(file), std::ios::in | std::ios::out | std::ios::binary);
        previous.seekp(-6, std::ios::end);
        previous.put('\x7f');
    });
    EXPECT_THAT(refusal({{"train.lr", 0.005}}, split.network()),
                ::testing::AllOf(::testing::HasSubstr("w.checkpoint.previous"),
                                 ::testing::HasSubstr("damaged"), ::testing::HasSubstr("--fresh")));
    damage([&] { std::ofstream(file) << "no checkpoint"; });
    EXPECT_THAT(refusal({{"train.lr", 0.005}}, split.network()), ::testing::HasSubstr("w.checkpoint"));
}

// After a torn checkpoint the previous one is the only whole one: writing the next must not lose it.
TEST_F(TrainerTest, a_torn_checkpoint_does_not_push_out_the_previous_one) {
    Folder const folder(world);
    Split const split(false);
    auto const file = folder / "w.checkpoint";
    auto const make = [&](std::uint64_t epochs) {
        auto recipe = small_recipe();
        recipe.epochs = epochs;
        return std::make_unique<Trainer>(
            world, split.network(), split.genome.table, split.plan(), std::vector<genome::PlaceRange>{},
            recipe, CheckpointPolicy{.file = file, .identity = nlohmann::json::object(), .every_s = 0});
    };
    auto const tear = [&] {
        world.barrier();
        if (world.is_root()) fs::resize_file(file, fs::file_size(file) - 8);
        world.barrier();
    };
    make(2)->run();  // two checkpoints
    tear();
    auto const second = make(2);
    EXPECT_TRUE(second->resume());  // epoch 1
    EXPECT_EQ(second->history().size(), 1U);
    second->run();  // writes epoch 2 in the place of the torn one
    tear();
    auto const third = make(4);
    EXPECT_TRUE(third->resume()) << "the previous one is lost";
    EXPECT_EQ(third->history().size(), 1U);
    third->run();  // epochs 2, 3, 4: whole ones take turns again
    tear();
    auto const fourth = make(4);
    EXPECT_TRUE(fourth->resume());
    EXPECT_EQ(fourth->history().size(), 3U);
}

// The output on disks of the nodes' own: only some ranks find the checkpoint, or an older one.
TEST_F(TrainerTest, ranks_that_find_different_checkpoints_refuse_alike) {
    Folder const folder(world);
    Split const split(false);
    int const last = world.size() - 1;
    auto const mine = folder / (world.rank() == last ? "last.checkpoint" : "w.checkpoint");
    auto const train = [&](fs::path const& file, std::uint64_t epochs) {
        auto recipe = small_recipe();
        recipe.epochs = epochs;
        Trainer trainer(world, split.network(), split.genome.table, split.plan(), {}, recipe,
                        {.file = file, .identity = nlohmann::json::object(), .every_s = 0});
        trainer.run();
        world.barrier();
    };
    auto const refusal = [&]() -> std::string {
        Trainer trainer(world, split.network(), split.genome.table, split.plan(), {}, small_recipe(),
                        {.file = mine, .identity = nlohmann::json::object(), .every_s = 0});
        try {
            trainer.resume();
        } catch (comm::CollectiveError const& error) {
            EXPECT_EQ(error.origin(), Origin::usage);
            return error.what();
        }
        return {};
    };
    auto const differ = [&](std::string const& what) {
        auto const found = refusal();
        if (world.size() == 1) {
            EXPECT_EQ(found, "");
            return;
        }
        EXPECT_THAT(found, ::testing::AllOf(::testing::HasSubstr("checkpoint: the ranks"),
                                            ::testing::HasSubstr(what), ::testing::HasSubstr("share")));
    };
    train(folder / "w.checkpoint", 3);
    differ(fmt::format("rank {} none", last));
    train(folder / "last.checkpoint", 1);
    differ(fmt::format("rank {} the one of step", last));
    world.barrier();  // all have looked
    if (world.is_root()) {
        fs::copy_file(folder / "w.checkpoint", folder / "last.checkpoint",
                      fs::copy_options::overwrite_existing);
    }
    world.barrier();
    EXPECT_EQ(refusal(), "");
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

// Untrained weights don't pass for the best: no comparison with NaN is ever true.
TEST_F(TrainerTest, a_validation_loss_that_is_never_finite_ends_the_run) {
    Split split(true);
    auto recipe = small_recipe();
    recipe.epochs = 2;
    auto const what = [&](std::uint64_t epochs) -> std::string {
        recipe.epochs = epochs;
        Trainer trainer(world, split.network(), split.genome.table, split.plan(), split.validation, recipe);
        try {
            trainer.run();
        } catch (comm::CollectiveError const& error) {
            EXPECT_EQ(error.origin(), Origin::usage);
            return error.what();
        }
        return {};
    };
    EXPECT_EQ(what(2), "");
    split.genome.table.targets.at(split.validation.front().first) = INFINITY;
    EXPECT_EQ(what(0), "");  // untrained weights are what was asked for
    EXPECT_THAT(what(2),
                ::testing::AllOf(::testing::HasSubstr("2 epochs"), ::testing::HasSubstr("validation.mode")));
}

TEST_F(TrainerTest, more_ranks_than_windows) {
    Synthetic const genome({23});
    std::vector<Use> const uses(23, Use::train);
    Recipe recipe = small_recipe();
    recipe.batch = 1;
    Trainer trainer(world, model::network_of(model::Get(small_network(model::HeadKind::accessibility, 1), 3)),
                    genome.table,
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

/// A GET whose `countdown`-th pass runs out of memory: before it computes anything, or in the middle of the
/// backward, when the gradients of later layers are being summed.
class FailingGet final : public model::GetNetwork {
public:
    FailingGet(model::Get get, bool in_backward, int countdown)
        : GetNetwork(std::move(get)), countdown_(std::make_shared<int>(countdown)) {
        if (!in_backward) return;
        auto const all = parameters();
        auto const& middle = all[all.size() / 2].tensor;
        middle.set_requires_grad(true);
        middle.register_hook(
            [left = std::exchange(countdown_, nullptr)](at::Tensor const&) { count(*left); });
    }
    [[nodiscard]] at::Tensor forward(at::Tensor const& x, std::optional<model::TrainingDraws> const& draws,
                                     at::Tensor const& mask) const override {
        if (countdown_) count(*countdown_);
        return GetNetwork::forward(x, draws, mask);
    }

private:
    static void count(int& left) {
        if (--left == 0) throw std::bad_alloc();
    }
    std::shared_ptr<int> countdown_;
};

// One rank fails within a step, the others would wait for its gradients: all hear of it, none hangs, and the
// run goes on from its checkpoint as if nothing had happened.
TEST_F(TrainerTest, a_rank_that_fails_alone_ends_the_run_of_all_ranks_alike) {
    Split const split(true);
    for (bool const deterministic : {false, true}) {
        if (deterministic && world.size() == 3) continue;  // no power of two
        auto recipe = small_recipe();
        recipe.deterministic = deterministic;
        recipe.epochs = 4;
        recipe.bucket_bytes = 2000;
        auto const make = [&](std::unique_ptr<model::Network> network, CheckpointPolicy const& policy) {
            return std::make_unique<Trainer>(world, std::move(network), split.genome.table, split.plan(),
                                             split.validation, recipe, policy);
        };
        auto const whole = make(split.network(), {});
        whole->run();
        for (bool const in_backward : {false, true}) {
            Folder const folder(world);
            CheckpointPolicy const policy{
                .file = folder / "w.checkpoint", .identity = nlohmann::json::object(), .every_s = 0};
            int const culprit = world.size() - 1;
            // In an epoch after the first: a rank alone has more passes a step.
            int const soon = world.size() == 1 ? 30 : 14;
            int const countdown = world.rank() == culprit ? soon : 1'000'000;
            auto const failing = make(
                std::make_unique<FailingGet>(model::Get(small_network(model::HeadKind::accessibility, 1), 3),
                                             in_backward, countdown),
                policy);
            try {
                failing->run();
                ADD_FAILURE() << "nobody failed";
            } catch (comm::CollectiveError const& error) {
                EXPECT_EQ(error.rank(), culprit);
                EXPECT_THAT(error.what(), ::testing::HasSubstr("out of memory"));
                EXPECT_EQ(std::string_view(error.what()).starts_with("rank "), world.size() > 1);
            }
            auto const again = make(split.network(), policy);
            EXPECT_TRUE(again->resume()) << "the checkpoint of the epoch before";
            EXPECT_EQ(again->run(), Outcome::finished);
            EXPECT_EQ(weights_of(again->kept()), weights_of(whole->kept()));
        }
    }
}

}  // namespace
}  // namespace mpira::train
