// What is trained on, in what order, at what rate: no network, no MPI.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpira/base/error.hpp"
#include "mpira/train/holdout.hpp"
#include "mpira/train/lr_schedule.hpp"
#include "mpira/train/metrics.hpp"
#include "mpira/train/window_plan.hpp"

#include "train/synthetic.hpp"

namespace mpira::train {
namespace {

using genome::PlaceRange;
using ::testing::HasSubstr;
using testing::Synthetic;

TEST(LrSchedule, rises_linearly_then_falls_by_half_a_cosine) {
    LrSchedule const schedule{.lr = 3e-3, .min_lr = 3e-5, .warmup_steps = 28, .total_steps = 275};
    EXPECT_DOUBLE_EQ(schedule.at(0), 3e-5);
    EXPECT_DOUBLE_EQ(schedule.at(27), 3e-3);
    EXPECT_NEAR(schedule.at(13) - schedule.at(12), (3e-3 - 3e-5) / 27, 1e-12);
    EXPECT_DOUBLE_EQ(schedule.at(28), 3e-3);
    double const quarter = 3e-5 + (3e-3 - 3e-5) * 0.5 * (1 + std::cos(std::acos(-1.0) * 100 / 247));
    EXPECT_NEAR(schedule.at(128), quarter, 1e-12);
    for (std::uint64_t step = 28; step < 274; ++step) EXPECT_GT(schedule.at(step), schedule.at(step + 1));
    EXPECT_DOUBLE_EQ(schedule.at(275), 3e-5);
    LrSchedule const none{.lr = 1e-3, .min_lr = 1e-5, .warmup_steps = 0, .total_steps = 10};
    EXPECT_DOUBLE_EQ(none.at(0), 1e-3);
    LrSchedule const one{.lr = 1e-3, .min_lr = 1e-5, .warmup_steps = 1, .total_steps = 10};
    EXPECT_DOUBLE_EQ(one.at(0), 1e-3);
}

TEST(Metrics, known_values) {
    std::vector<float> const p{0.1F, 0.4F, 0.35F, 0.8F};
    std::vector<float> const t{0, 0, 1, 1};
    EXPECT_DOUBLE_EQ(auroc(p, t), 0.75);          // the example of scikit-learn's roc_auc_score
    EXPECT_NEAR(pearson(p, t), 0.6475761, 1e-6);  // numpy.corrcoef
    std::vector<float> const ties{0.5F, 0.5F, 0.5F, 0.5F};
    EXPECT_DOUBLE_EQ(auroc(ties, t), 0.5);
    EXPECT_TRUE(std::isnan(pearson(ties, t)));
    std::vector<float> const ones{1, 1, 1, 1};
    EXPECT_TRUE(std::isnan(auroc(p, ones)));
    EXPECT_TRUE(is_binary(t));
    EXPECT_FALSE(is_binary(p));
    EXPECT_FALSE(is_binary(ones));
    EXPECT_NEAR(poisson_nll(p, t), (0.1 + 0.4 + 0.35 - std::log(0.35) + 0.8 - std::log(0.8)) / 4, 1e-6);
}

TEST(PartOf, covers_without_overlap_for_any_rank_count) {
    for (std::uint64_t const total : {0U, 1U, 5U, 8U, 100U}) {
        for (int const size : {1, 2, 3, 7, 16}) {
            std::uint64_t next = 0;
            for (int rank = 0; rank < size; ++rank) {
                auto const part = part_of(total, rank, size);
                EXPECT_EQ(part.first, next);
                EXPECT_LE(part.size(), total / static_cast<std::uint64_t>(size) + 1);
                next = part.end;
            }
            EXPECT_EQ(next, total);
        }
    }
}

TEST(ScoringChunks, last_is_aligned_to_the_end) {
    std::vector<PlaceRange> const runs{{3, 28}, {40, 45}, {50, 70}};
    EXPECT_THAT(scoring_chunks(runs, 10),
                ::testing::ElementsAre(PlaceRange{3, 13}, PlaceRange{13, 23}, PlaceRange{18, 28},
                                       PlaceRange{40, 45}, PlaceRange{50, 60}, PlaceRange{60, 70}));
}

// No held-out region is ever in a training window, whatever rows were dropped before: checked by coordinates,
// for every epoch's windows.
TEST(WindowPlan, no_window_meets_a_held_out_region) {
    Synthetic const genome({150, 90, 40, 7});
    auto const regions = genome.regions();
    Holdout const holdout{
        .test = {{"chr1", 60000, 110000}, {"chr2", 0, 30000}}, .validation = {{"chr3"}}, .margin_bp = 1500};
    std::uint64_t dropped_any = 0;
    for (std::uint64_t const keep_percent : {100U, 70U, 40U}) {
        Draws draws(3, Stream::tests, static_cast<std::uint32_t>(keep_percent));
        std::vector<std::uint32_t> chosen;
        for (std::uint32_t row = 0; row < regions.size(); ++row) {
            if (draws.below(100) < keep_percent) chosen.push_back(row);
        }
        dropped_any += regions.size() - chosen.size();
        auto const uses = assign_uses(regions, chosen, holdout);
        WindowPlan const plan(regions, chosen, runs_of(regions, chosen, uses, Use::train), 10, 5'000'000);
        std::set<std::uint64_t> seen;
        for (std::uint32_t epoch = 0; epoch < 50; ++epoch) {
            auto const windows = plan.epoch(11, epoch);
            ASSERT_FALSE(windows.empty());
            for (auto const& window : windows) {
                ASSERT_LE(window.size(), 10U);
                for (auto place = window.first; place < window.end; ++place) {
                    auto const row = chosen[place];
                    auto const& name = regions.chrom_names[static_cast<std::size_t>(regions.chrom[row])];
                    ASSERT_EQ(regions.chrom[row], regions.chrom[chosen[window.first]]);
                    ASSERT_NE(name, "chr3");
                    for (auto const& held : holdout.test) {
                        ASSERT_TRUE(name != held.chrom || regions.end[row] <= held.start - 1500 ||
                                    regions.start[row] >= held.end + 1500)
                            << name << ':' << regions.start[row];
                    }
                    seen.insert(place);
                }
            }
        }
        // and every region that may be trained on is, sooner or later
        auto const trained = std::count(uses.begin(), uses.end(), Use::train);
        EXPECT_EQ(seen.size(), static_cast<std::size_t>(trained));
    }
    EXPECT_GT(dropped_any, 0U);
}

// The same for every way of leaving out, in a table of several cell types with open regions of their own,
// after the reference's trap: rows without signal were dropped before windows were cut. Nothing of the test
// or the validation set is ever in a training window, by place or by cell type.
TEST(WindowPlan, no_way_of_leaving_out_leaks) {
    Synthetic const genome({150, 90, 40, 7});
    auto const regions = genome.regions();
    struct Case {
        char const* name;
        Holdout holdout;
    };
    std::vector<Case> const cases{
        {"chromosomes", {.test = {{"chr2"}}, .validation = {{"chr3"}}}},
        {"blocks",
         {.test = {{"chr1", 60000, 110000}}, .validation = {{"chr1", 110000, 160000}}, .margin_bp = 1500}},
        {"cell types",
         {.test = {}, .validation = {}, .test_cell_types = {"B"}, .validation_cell_types = {"C"}}},
        {"both", {.test = {{"chr2"}}, .validation = {{"chr3"}}, .margin_bp = 250, .test_cell_types = {"B"}}},
    };
    for (auto const& [name, holdout] : cases) {
        for (std::uint64_t const keep_percent : {100U, 60U, 25U}) {
            std::vector<std::uint32_t> rows;
            std::vector<CellTypePlaces> cell_types;
            for (auto const* cell_type : {"A", "B", "C"}) {
                Draws draws(3, Stream::tests, static_cast<std::uint32_t>(keep_percent),
                            static_cast<std::uint32_t>(cell_type[0]));
                auto const first = rows.size();
                for (std::uint32_t row = 0; row < regions.size(); ++row) {
                    if (draws.below(100) < keep_percent) rows.push_back(row);
                }
                cell_types.push_back({cell_type, {first, rows.size()}});
            }
            auto const split = split_places(regions, rows, cell_types, holdout);
            auto const type_of = [&](std::uint64_t place) {
                return std::find_if(cell_types.begin(), cell_types.end(),
                                    [&](CellTypePlaces const& type) { return place < type.places.end; })
                    ->name;
            };
            auto const named = [](std::vector<std::string> const& types, std::string const& type) {
                return std::find(types.begin(), types.end(), type) != types.end();
            };
            // What the test is about, said again from scratch: coordinates and names only.
            auto const forbidden = [&](std::uint64_t place) {
                auto const row = rows[place];
                auto const& chrom = regions.chrom_names[static_cast<std::size_t>(regions.chrom[row])];
                for (auto const* held_out : {&holdout.test, &holdout.validation}) {
                    for (auto const& interval : *held_out) {
                        bool const before = regions.end[row] <= interval.start - holdout.margin_bp;
                        bool const after = interval.end != genome::HeldOutInterval::kWhole &&
                                           regions.start[row] >= interval.end + holdout.margin_bp;
                        if (interval.chrom == chrom && !before && !after) return true;
                    }
                }
                return named(holdout.test_cell_types, type_of(place)) ||
                       named(holdout.validation_cell_types, type_of(place));
            };
            WindowPlan const plan(regions, rows, split.train, 10, 5'000'000);
            std::set<std::uint64_t> seen;
            for (std::uint32_t epoch = 0; epoch < 40; ++epoch) {
                for (auto const& window : plan.epoch(11, epoch)) {
                    for (auto place = window.first; place < window.end; ++place) {
                        ASSERT_FALSE(forbidden(place)) << name << ", place " << place;
                        ASSERT_EQ(type_of(place), type_of(window.first)) << name;
                        ASSERT_EQ(regions.chrom[rows[place]], regions.chrom[rows[window.first]]) << name;
                        seen.insert(place);
                    }
                }
            }
            std::uint64_t allowed = 0;
            for (std::uint64_t place = 0; place < rows.size(); ++place) allowed += forbidden(place) ? 0 : 1;
            EXPECT_EQ(seen.size(), allowed) << name << ": every region that may be trained on is";
            ASSERT_FALSE(split.test.empty()) << name;
            ASSERT_FALSE(split.validation.empty()) << name;
            for (auto const* runs : {&split.test, &split.validation}) {
                for (auto const& run : *runs) {
                    for (auto place = run.first; place < run.end; ++place)
                        ASSERT_TRUE(forbidden(place)) << name;
                }
            }
        }
    }
}

// Windows of open regions are consecutive among the open ones: a closed region between two doesn't end a run.
TEST(WindowPlan, closed_regions_do_not_cut_windows) {
    Synthetic const genome({100});
    std::vector<std::uint32_t> odd;
    for (std::uint32_t row = 1; row < 100; row += 2) odd.push_back(row);
    std::vector<Use> const uses(odd.size(), Use::train);
    EXPECT_THAT(runs_of(genome.regions(), odd, uses, Use::train),
                ::testing::ElementsAre(PlaceRange{0, odd.size()}));
    // but held-out ones do, also when they are closed: nothing of a held-out block is spanned
    Holdout const holdout{.test = {{"chr1", genome.start[50], genome.end[50]}}, .validation = {}};
    std::vector<std::uint32_t> without_50 = odd;
    std::vector<CellTypePlaces> const types{{"open", {0, odd.size()}},
                                            {"all", {odd.size(), odd.size() + 100}}};
    for (std::uint32_t row = 0; row < 100; ++row) without_50.push_back(row);
    auto const split = split_places(genome.regions(), without_50, types, holdout);
    EXPECT_EQ(split.train.size(), 4U);
    EXPECT_EQ(split.train.front(), (PlaceRange{0, 25}));
}

// For training without the regions that carry a motif, a cell type is there twice.
TEST(Holdout, a_cell_type_may_be_there_for_training_and_for_scoring) {
    Synthetic const genome({40});
    std::vector<std::uint32_t> rows;
    for (std::uint32_t row = 0; row < 40; row += 3) rows.push_back(row);
    auto const few = rows.size();
    for (std::uint32_t row = 0; row < 40; ++row) rows.push_back(row);
    std::vector<CellTypePlaces> const types{{"A", {0, few}, Purpose::training},
                                            {"A", {few, few + 40}, Purpose::scoring}};
    auto const split =
        split_places(genome.regions(), rows, types, {.test = {{"chr1", 0, genome.end[9]}}, .validation = {}});
    for (auto const& run : split.train) EXPECT_LE(run.end, few);
    EXPECT_THAT(split.test, ::testing::ElementsAre(PlaceRange{few, few + 10}));
}

TEST(TrainingTable, labels_are_permuted_among_scored_entries_only) {
    Synthetic const genome({200}, 8, 2);
    TrainingTable table = genome.table;
    for (std::size_t entry = 0; entry < table.targets.size(); ++entry) table.scored.push_back(entry % 3 == 0);
    auto const before = table.targets;
    permute_labels(table, 4);
    std::multiset<float> old_values[2];
    std::multiset<float> new_values[2];
    std::size_t moved = 0;
    for (std::size_t entry = 0; entry < before.size(); ++entry) {
        if (table.scored[entry] == 0) {
            ASSERT_EQ(table.targets[entry], before[entry]);
            continue;
        }
        old_values[entry % 2].insert(before[entry]);
        new_values[entry % 2].insert(table.targets[entry]);
        moved += std::equal_to<>{}(table.targets[entry], before[entry]) ? 0U : 1U;
    }
    EXPECT_EQ(old_values[0], new_values[0]);
    EXPECT_EQ(old_values[1], new_values[1]);
    EXPECT_GT(moved, 50U);
    auto again = genome.table;
    again.scored = table.scored;
    permute_labels(again, 4);
    EXPECT_EQ(again.targets, table.targets);
}

TEST(WindowPlan, follows_the_recipe) {
    Synthetic const genome({57, 8});
    auto const regions = genome.regions();
    std::vector<Use> const uses(65, Use::train);
    WindowPlan const plan(regions, genome.table.rows, runs_of(regions, genome.table.rows, uses, Use::train),
                          10, 5'000'000);
    std::set<std::uint64_t> offsets;
    for (std::uint32_t epoch = 0; epoch < 100; ++epoch) {
        auto windows = plan.epoch(0, epoch);
        EXPECT_EQ(plan.steps(0, epoch, 4), (windows.size() + 3) / 4);
        EXPECT_EQ(plan.epoch(0, epoch), windows);
        std::sort(windows.begin(), windows.end(),
                  [](auto const& a, auto const& b) { return a.first < b.first; });
        EXPECT_EQ(std::adjacent_find(windows.begin(), windows.end()), windows.end());
        EXPECT_EQ(windows.front().first, 0U);
        EXPECT_EQ(windows.back(), (PlaceRange{57, 65}));  // a run shorter than a window is used whole
        EXPECT_EQ(windows[windows.size() - 2], (PlaceRange{47, 57}));
        std::uint64_t const offset = windows[1].first < 10 ? windows[1].first : 0;
        offsets.insert(offset);
        for (std::size_t i = 1; i + 2 < windows.size(); ++i) EXPECT_EQ(windows[i].first % 10, offset);
    }
    EXPECT_EQ(offsets.size(), 10U);
    EXPECT_NE(plan.epoch(0, 1), plan.epoch(1, 1));
}

TEST(WindowPlan, leaves_out_wide_windows) {
    Synthetic genome({40});
    for (std::size_t row = 20; row < 40; ++row) {
        genome.start[row] += 1'000'000;
        genome.end[row] += 1'000'000;
    }
    std::vector<Use> const uses(40, Use::train);
    WindowPlan const plan(genome.regions(), genome.table.rows,
                          runs_of(genome.regions(), genome.table.rows, uses, Use::train), 10, 500'000);
    for (std::uint32_t epoch = 0; epoch < 20; ++epoch) {
        for (auto const& window : plan.epoch(0, epoch)) {
            EXPECT_TRUE(window.end <= 20 || window.first >= 20);
        }
    }
}

TEST(Holdout, centres_decide_and_edges_are_left_out) {
    std::vector<std::string> const names{"chr1"};
    std::vector<std::int32_t> const chrom(6, 0);
    std::vector<std::int64_t> const start{0, 800, 1100, 1900, 2500, 9000};
    std::vector<std::int64_t> const end{500, 1100, 1600, 2050, 3000, 9500};
    std::vector<std::uint32_t> const chosen{0, 1, 2, 3, 4, 5};
    genome::RegionColumns const regions{names, chrom, start, end};
    Holdout holdout{.test = {{"chr1", 1000, 2000}}, .validation = {}, .margin_bp = 0};
    using enum Use;
    EXPECT_THAT(assign_uses(regions, chosen, holdout),
                ::testing::ElementsAre(train, edge, test, test, train, train));
    holdout.margin_bp = 501;
    EXPECT_THAT(assign_uses(regions, chosen, holdout),
                ::testing::ElementsAre(edge, edge, test, test, edge, train))
        << "";
}

std::string message_of(auto&& call) {
    try {
        call();
    } catch (Error const& error) {
        EXPECT_EQ(error.origin(), Origin::usage);
        return error.what();
    }
    return "nothing was refused";
}

TEST(Holdout, refusals_name_the_culprit) {
    Synthetic const genome({20});
    auto const uses = [&](Holdout const& holdout) {
        return message_of([&] { return assign_uses(genome.regions(), genome.table.rows, holdout); });
    };
    EXPECT_THAT(uses({.test = {{"chr2"}}, .validation = {}}), HasSubstr("chr2"));
    EXPECT_THAT(uses({.test = {{"chr1", 1, 3}}, .validation = {}}), HasSubstr("chr1:1-3"));
    EXPECT_THAT(uses({.test = {{"chr1"}}, .validation = {}}), HasSubstr("none is left"));
    EXPECT_THAT(uses({.test = {{"chr1", 0, 20000}}, .validation = {{"chr1", 0, 30000}}}),
                HasSubstr("validation"));
}

TEST(Folds, table_of_quickstart_data) {
    auto const file = std::filesystem::path(::testing::TempDir()) / "folds.tsv";
    auto const read = [&](std::string const& text) {
        std::ofstream(file) << text;
        return read_folds(file);
    };
    auto const folds = read(
        "# fold\tchrom\tstart\tend\tregions\n1\tchr2R\t0\t2000000\t30\n2\tchr2R\t2000000\t3000000\t3\n"
        "1\tchr3L\t0\t5\t1\n");
    ASSERT_EQ(folds.size(), 2U);
    EXPECT_EQ(folds[0].intervals.size(), 2U);
    EXPECT_EQ(find_fold(folds, "2", "here"), 1U);
    EXPECT_THAT(message_of([&] { return find_fold(folds, "3", "holdout.fold"); }),
                ::testing::AllOf(HasSubstr("holdout.fold"), HasSubstr("1, 2")));
    for (auto const* bad : {"1\tchr1\t5\n", "1\tchr1\t5\t5\n", "1\tchr1\tx\t5\n",
                            "1\tchr1\t0\t5\n2\tchr1\t4\t9\n", "\tchr1\t0\t5\n"}) {
        EXPECT_THAT(message_of([&] { return read(bad); }), HasSubstr("folds.tsv, line ")) << bad;
    }
    EXPECT_THAT(message_of([&] { return read("# nothing\n"); }), HasSubstr("no fold"));
}

}  // namespace
}  // namespace mpira::train
