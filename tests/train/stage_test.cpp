// Stages and options of the trainer beyond the plain recipe, on any number of ranks.
#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <vector>

#include <ATen/ops/from_blob.h>
#include <ATen/ops/rand.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "mpira/model/baseline.hpp"
#include "mpira/train/objective.hpp"

#include "train/trainer_fixture.hpp"

namespace mpira::train {
namespace {

using genome::PlaceRange;
using testing::Folder;
using testing::small_network;
using testing::small_recipe;
using testing::Split;
using testing::Synthetic;
using testing::TrainerTest;
using testing::weights_of;

std::unique_ptr<model::Network> masked_network() {
    return model::network_of(model::Get(small_network(model::HeadKind::masked, 9), 3));
}

// Three cell types over one genome, with scales and accessibility of their own: A and B to train on, C
// validates.
struct CellTypes {
    CellTypes() : genome({120, 60}) {
        auto& table = genome.table;
        auto const rows = table.rows;
        table.rows.clear();
        table.scales.clear();
        table.targets.clear();
        table.outputs = 9;
        for (auto const* name : {"A", "B", "C"}) {
            auto const first = table.rows.size();
            for (auto const row : rows) {
                if ((row + static_cast<std::uint32_t>(name[0])) % 4 == 0) continue;  // closed here
                table.rows.push_back(row);
                table.accessibility.push_back(0.25F + 0.01F * static_cast<float>(row % 50));
            }
            table.cell_types.push_back({name, {first, table.rows.size()}});
            table.scales.insert(table.scales.end(), 8, 4.0F + static_cast<float>(name[0] - 'A'));
        }
        table.scales[3] = std::numeric_limits<float>::infinity();  // left out in A
        split = split_places(genome.regions(), table.rows, table.cell_types,
                             {.test = {{"chr2"}}, .validation = {}, .validation_cell_types = {"C"}});
    }
    [[nodiscard]] WindowPlan plan() const {
        return {genome.regions(), genome.table.rows, split.train, 10, 5'000'000};
    }
    Synthetic genome;
    PlaceSplit split;
};

TEST(Objective, masks_as_many_regions_as_it_says) {
    auto const exact = make_objective(model::HeadKind::masked, 9, {});
    auto const bernoulli =
        make_objective(model::HeadKind::masked, 9, {.ratio = 0.3, .draw = MaskDraw::bernoulli});
    std::vector<std::uint64_t> hits(21, 0);
    std::uint64_t drawn = 0;
    for (std::uint32_t sample = 0; sample < 2000; ++sample) {
        std::vector<std::uint8_t> mask(21);
        EXPECT_TRUE(exact->draw_mask(mask, {7, 3, sample}));
        EXPECT_EQ(std::count(mask.begin(), mask.end(), 1), 10);
        for (std::size_t i = 0; i < mask.size(); ++i) hits[i] += mask[i];
        std::vector<std::uint8_t> again(21);
        exact->draw_mask(again, {7, 3, sample});
        ASSERT_EQ(again, mask);
        EXPECT_TRUE(bernoulli->draw_mask(mask, {7, 3, sample}));
        auto const count = static_cast<std::uint64_t>(std::count(mask.begin(), mask.end(), 1));
        EXPECT_EQ(bernoulli->entries(21, {7, 3, sample}), count * 9);
        drawn += count;
    }
    EXPECT_EQ(exact->entries(21, {}), 90U);
    EXPECT_EQ(exact->entries(1, {}), 0U);
    // Every region alike: 2000 x 10 / 21 = 952, sd 22; 2000 x 21 x 0.3 = 12600, sd 94.
    for (auto const count : hits) EXPECT_NEAR(static_cast<double>(count), 952.4, 110);
    EXPECT_NEAR(static_cast<double>(drawn), 12600, 470);
    std::vector<std::uint8_t> mask(5, 9);
    EXPECT_FALSE(make_objective(model::HeadKind::expression, 2, {})->draw_mask(mask, {}));
    EXPECT_EQ(mask, std::vector<std::uint8_t>(5, 9));
}

TEST(Objective, sums_are_the_means_of_the_model_layer) {
    auto const x = at::rand({3, 10, 9});
    auto const p = at::rand({3, 10, 9});
    auto const mask = at::rand({3, 10}).lt(0.4);
    Batch const masked{.inputs = x, .targets = {}, .mask = mask};
    auto const entries = mask.sum().item<double>() * 9;
    EXPECT_NEAR(make_objective(model::HeadKind::masked, 9, {})->loss_sum(p, masked).item<double>() / entries,
                model::masked_loss(p, x, mask).item<double>(), 1e-6);
    Batch const plain{.inputs = {}, .targets = x, .mask = {}};
    auto const poisson = make_objective(model::HeadKind::expression, 9, {});
    EXPECT_EQ(poisson->entries(10, {}), 90U);
    EXPECT_NEAR(poisson->loss_sum(p, plain).item<double>() / 270, model::poisson_loss(p, x).item<double>(),
                1e-5);
}

// Masks of differing sizes: the loss is the mean over all masked entries of the global batch, whoever has
// them.
TEST_F(TrainerTest, masked_pretraining_does_not_depend_on_the_rank_count) {
    CellTypes const data;
    auto recipe = small_recipe();
    recipe.mask = {.ratio = 0.4, .draw = MaskDraw::bernoulli};
    recipe.ema_decay = 0.8;
    Trainer together(world, masked_network(), data.genome.table, data.plan(), data.split.validation, recipe);
    auto const self = world.split(world.rank(), 0);
    Trainer alone(self, masked_network(), data.genome.table, data.plan(), data.split.validation, recipe);
    together.run();
    alone.run();
    for (std::size_t i = 0; i < together.history().size(); ++i) {
        auto const& a = together.history()[i];
        auto const& b = alone.history()[i];
        EXPECT_NEAR(a.train_loss, b.train_loss, 1e-5);
        EXPECT_NEAR(a.validation->loss, b.validation->loss, 1e-5);
        EXPECT_NEAR(a.validation->pearson, b.validation->pearson, 1e-4);
    }
    EXPECT_LT(together.history().back().validation->loss, together.history().front().validation->loss);
    auto const first = together.evaluate(data.split.test);
    EXPECT_EQ(first.loss, together.evaluate(data.split.test).loss) << "the same masks every time";
}

// What a network is given, by way of the device, is what the table says.
TEST_F(TrainerTest, windows_of_several_cell_types_are_scaled_by_their_own) {
    CellTypes data;
    auto& table = data.genome.table;
    table.outputs = 1;
    table.targets.assign(table.places(), 0.5F);
    auto recipe = small_recipe();
    recipe.epochs = 0;
    model::Get const get(small_network(model::HeadKind::expression, 1), 3);
    Trainer trainer(world, model::network_of(get.clone()), table, data.plan(), {}, recipe);
    auto const predicted = trainer.predict(data.split.train);
    c10::InferenceMode const no_graph;
    std::map<std::uint64_t, float> predicted_at;  // by place
    auto entry = predicted.begin();
    for (auto const& run : data.split.train) {
        for (auto place = run.first; place < run.end; ++place) predicted_at[place] = *entry++;
    }
    ASSERT_EQ(entry, predicted.end());
    for (auto const& chunk : scoring_chunks(data.split.train, 10)) {
        auto const regions = static_cast<std::int64_t>(chunk.size());
        std::vector<float> inputs(chunk.size() * 9);
        table.read_inputs(chunk, inputs);
        bool const in_first = chunk.first < table.cell_types[1].places.first;
        EXPECT_TRUE(!in_first || inputs[3] <= 0.0F) << "a column that is left out";
        auto const out = get.forward(at::from_blob(inputs.data(), {1, regions, 9})).contiguous();
        // The first place of a chunk is predicted by it.
        EXPECT_NEAR(predicted_at.at(chunk.first), out.const_data_ptr<float>()[0], 1e-6);
    }
}

TEST_F(TrainerTest, patience_ends_a_run_and_a_resume_leaves_it_ended) {
    Folder const folder(world);
    Split const split(true);
    auto recipe = small_recipe();
    recipe.epochs = 200;
    recipe.lr = 0.05;
    recipe.min_lr = 0.05;
    recipe.patience = 3;
    CheckpointPolicy const policy{.file = folder / "w.checkpoint", .identity = {{"seed", 7}}, .every_s = 0};
    auto const make = [&] {
        return std::make_unique<Trainer>(world, split.network(), split.genome.table, split.plan(),
                                         split.validation, recipe, policy);
    };
    auto const first = make();
    EXPECT_EQ(first->run(), Outcome::finished);
    EXPECT_TRUE(first->ended_early());
    EXPECT_LT(first->history().size(), 200U);
    EXPECT_EQ(first->history().size(), first->kept_epoch() + 3);
    auto const again = make();
    EXPECT_TRUE(again->resume());
    EXPECT_EQ(again->run(), Outcome::finished);
    EXPECT_EQ(again->history().size(), first->history().size());
    EXPECT_EQ(weights_of(again->kept()), weights_of(first->kept()));
}

// The test set is scored after every epoch for a curve: that changes nothing but the records.
TEST_F(TrainerTest, test_curves_are_recorded_and_never_used) {
    Split const split(true);
    auto const run = [&](bool with_curve) {
        auto trainer = std::make_unique<Trainer>(world, split.network(), split.genome.table, split.plan(),
                                                 split.validation, small_recipe());
        if (with_curve) trainer->record_test_curve(split.test);
        trainer->run();
        return trainer;
    };
    auto const with = run(true);
    auto const without = run(false);
    EXPECT_EQ(weights_of(with->kept()), weights_of(without->kept()));
    EXPECT_EQ(with->kept_epoch(), without->kept_epoch());
    for (auto const& record : with->history()) {
        ASSERT_TRUE(record.test_curve.has_value());
        EXPECT_TRUE(to_json(record).contains("test_never_used_for_selection"));
        EXPECT_EQ(record_of(to_json(record)).test_curve->loss, record.test_curve->loss);
    }
    EXPECT_FALSE(without->history().front().test_curve.has_value());
    auto const kept = with->history()[with->kept_epoch() - 1];
    EXPECT_EQ(with->evaluate(split.test).loss, kept.test_curve->loss);
}

// The running mean, its checkpoint, layer-wise decay, a baseline: taken up in the middle, the same bits.
TEST_F(TrainerTest, options_survive_a_resume) {
    Folder const folder(world);
    Split const split(true);
    auto recipe = small_recipe();
    recipe.ema_decay = 0.9;
    recipe.layer_decay = 0.75;
    auto config =
        model::BaselineConfig::published(model::BaselineKind::cnn, 9, 1, model::HeadKind::accessibility);
    config.channels = {6, 4};
    config.hidden = {8};
    for (bool const cnn : {false, true}) {
        CheckpointPolicy const policy{
            .file = folder / (cnn ? "cnn" : "get"), .identity = {{"seed", 7}}, .every_s = 0};
        auto const make = [&](CheckpointPolicy const& with) {
            return std::make_unique<Trainer>(
                world, cnn ? std::make_unique<model::Baseline>(config, 5) : split.network(),
                split.genome.table, split.plan(), split.validation, recipe, with);
        };
        auto const whole = make({});
        whole->run();
        auto const stopped = make(policy);
        int calls = 0;
        EXPECT_EQ(stopped->run([&] { return ++calls == 9; }), Outcome::stopped);
        auto const last = make(policy);
        EXPECT_TRUE(last->resume());
        EXPECT_EQ(last->run(), Outcome::finished);
        EXPECT_EQ(weights_of(last->kept()), weights_of(whole->kept()));
        EXPECT_LT(whole->history().back().train_loss, whole->history().front().train_loss);
    }
}

// Labels that mean nothing are not learned beyond their training set: over folds that cover the genome, the
// mean held-out Pearson is within 2 standard errors of 0. Each rank trains its share of the folds by itself.
TEST_F(TrainerTest, permuted_labels_leave_no_held_out_correlation) {
    constexpr std::int64_t kBlock = 60'000;
    auto const self = world.split(world.rank(), 0);
    Synthetic genome({120, 60, 100});
    permute_labels(genome.table, 11);
    std::vector<genome::HeldOutInterval> folds;
    for (auto const* const chrom : {"chr1", "chr2", "chr3"}) {
        for (std::int64_t start = 0; start < 2 * kBlock; start += kBlock) {
            folds.push_back({chrom, start, start + kBlock});
        }
    }
    std::vector<double> pearson(folds.size(), 0.0);
    for (std::size_t fold = 0; fold < folds.size(); ++fold) {
        if (static_cast<int>(fold) % world.size() != world.rank()) continue;
        Holdout holdout;
        holdout.test = {folds[fold]};
        auto const uses = assign_uses(genome.regions(), genome.table.rows, holdout);
        auto const runs = [&](Use use) { return runs_of(genome.regions(), genome.table.rows, uses, use); };
        auto recipe = small_recipe();
        recipe.epochs = 4;
        Trainer trainer(self, Split(false).network(), genome.table,
                        {genome.regions(), genome.table.rows, runs(Use::train), 10, 5'000'000}, {}, recipe);
        trainer.run();
        pearson[fold] = trainer.evaluate(runs(Use::test)).pearson;
    }
    world.all_sum(std::span<double>(pearson));
    auto const count = static_cast<double>(pearson.size());
    double mean = 0;
    for (auto const r : pearson) mean += r / count;
    double squares = 0;
    for (auto const r : pearson) squares += (r - mean) * (r - mean);
    double const standard_error = std::sqrt(squares / (count - 1) / count);
    EXPECT_LT(std::abs(mean), 2 * standard_error);
    // Some 23 regions a fold: a chance correlation has sd 0.21. Folds that all say the same would be a leak.
    EXPECT_LT(standard_error, 0.2);
    EXPECT_GT(standard_error, 0.02);
}

}  // namespace
}  // namespace mpira::train
