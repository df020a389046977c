#include "mpira/model/insertion.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mpira/base/philox.hpp"

#include "support.hpp"

namespace mpira::model {
namespace {

using testing::HasSubstr;
using tests::usage_message;

GetConfig const kTwoStrands{.features = 9, .dim = 24, .depth = 3, .heads = 4, .mlp_ratio = 2.5, .outputs = 2};
constexpr std::int64_t kWindow = 11;

FeatureTable view(tests::Table const& table) {
    return {table.regions, table.motifs, table.features, table.scales, table.accessibility};
}

/// max|a-b| / max(1, max|b|)
double apart(std::vector<float> const& a, std::vector<float> const& b) {
    EXPECT_EQ(a.size(), b.size());
    double worst = 0;
    double size = 1;
    for (std::size_t i = 0; i < a.size(); ++i) {
        worst = std::max(worst, std::abs(double{a[i]} - double{b[i]}));
        size = std::max(size, std::abs(double{b[i]}));
    }
    return worst / size;
}

class Insertion : public testing::Test {
protected:
    tests::Folder folder_;
    tests::Table table_{40, 8};
    std::vector<std::int64_t> const starts_{0, 29, 3, 3, 17, 8, 29, 12, 5};
    std::vector<float> const vectors_ = tests::uniform_values(3 * 8, 30, 0, 1);
    std::vector<std::int32_t> const vector_of_{0, 1, 2, -1, -1, 0, 1, 2, -1};

    InsertionPredictor predictor(GetConfig const& config, InsertionOptions const& options) {
        tests::write_random_weights(folder_ / "w.safetensors", config, kWindow);
        return {Predictor(folder_ / "w.safetensors"), view(table_), options};
    }
    std::vector<float> predict(InsertionPredictor& predictor) {
        std::vector<float> out(starts_.size() * static_cast<std::size_t>(predictor.outputs()));
        predictor.predict(starts_, vectors_, vector_of_, out);
        return out;
    }
    static InsertionOptions plain() {
        return {.window = kWindow,
                .focus = 4,
                .micro_batch = 4,
                .one_query = false,
                .shared_embedding = false,
                .remember_uninserted = false};
    }

    /// The same by hand: windows built here, all regions predicted by Predictor.
    std::vector<float> by_hand(GetConfig const& config) {
        Predictor const model(folder_ / "w.safetensors");
        auto const features = static_cast<std::size_t>(config.features);
        auto const outputs = static_cast<std::size_t>(config.outputs);
        std::vector<float> result;
        for (std::size_t i = 0; i < starts_.size(); ++i) {
            std::vector<float> x(kWindow * features);
            for (std::size_t r = 0; r < kWindow; ++r) {
                auto const region = static_cast<std::size_t>(starts_[i]) + r;
                bool const focus = r == 4;
                for (std::size_t m = 0; m + 1 < features; ++m) {
                    auto value = std::min(table_.features[region * 8 + m] / table_.scales[m], 1.0F);
                    if (focus && vector_of_[i] >= 0) {
                        value += vectors_[static_cast<std::size_t>(vector_of_[i]) * 8 + m];
                    }
                    x[r * features + m] = std::min(value, 1.0F);
                }
                x[r * features + 8] = focus ? 1.0F : std::min(table_.accessibility[region], 1.0F);
            }
            std::vector<float> all(kWindow * outputs);
            model.predict(x, 1, kWindow, all);
            result.insert(result.end(), all.begin() + static_cast<std::ptrdiff_t>(4 * outputs),
                          all.begin() + static_cast<std::ptrdiff_t>(5 * outputs));
        }
        return result;
    }
};

TEST_F(Insertion, IsWhatOneWindowByHandGives) {
    auto with = predictor(kTwoStrands, plain());
    auto const expected = by_hand(kTwoStrands);
    EXPECT_LT(apart(predict(with), expected), 1e-6);
    // The element must matter, or nothing was inserted.
    std::vector<float> const third(expected.begin() + 4, expected.begin() + 6);   // start 3, vector 2
    std::vector<float> const fourth(expected.begin() + 6, expected.begin() + 8);  // start 3, none
    EXPECT_GT(apart(third, fourth), 1e-3);
}

TEST_F(Insertion, EveryShortcutIsExact) {
    GetConfig one_block = kTwoStrands;
    one_block.depth = 1;
    GetConfig accessibility = kTwoStrands;
    accessibility.head = HeadKind::accessibility;
    accessibility.outputs = 1;
    for (auto const& config : {kTwoStrands, one_block, accessibility}) {
        auto full = predictor(config, plain());
        auto const expected = predict(full);
        for (int bits = 1; bits < 8; ++bits) {
            auto options = plain();
            options.one_query = (bits & 1) != 0;
            options.shared_embedding = (bits & 2) != 0;
            options.remember_uninserted = (bits & 4) != 0;
            for (std::int64_t const batch : {1, 4, 64}) {
                options.micro_batch = batch;
                options.uninserted_batch = batch;
                auto with = predictor(config, options);
                EXPECT_LT(apart(predict(with), expected), 1e-6)
                    << "shortcuts " << bits << ", batch " << batch;
                EXPECT_LT(apart(predict(with), expected), 1e-6) << "again, shortcuts " << bits;
            }
        }
    }
}

TEST_F(Insertion, BitsDoNotDependOnWhatWasPredictedBefore) {
    InsertionOptions const options{.window = kWindow, .focus = 4, .micro_batch = 2, .uninserted_batch = 3};
    auto fresh = predictor(kTwoStrands, options);
    auto used = predictor(kTwoStrands, options);
    std::vector<std::int64_t> const elsewhere{1, 7, 28};
    std::vector<std::int32_t> const none{-1, -1, -1};
    std::vector<float> out(6);
    used.predict(elsewhere, {}, none, out);
    EXPECT_EQ(predict(used), predict(fresh));
    EXPECT_EQ(predict(used), predict(used));
}

TEST_F(Insertion, ARepeatedControlIsNotComputedAgain) {
    auto with = predictor(kTwoStrands, plain());
    std::vector<std::int32_t> const none(starts_.size(), -1);
    std::vector<float> first(starts_.size() * 2), second(first), other(first);
    with.predict(starts_, vectors_, none, first);
    auto elsewhere = starts_;
    elsewhere.back() += 1;
    with.predict(elsewhere, vectors_, none, other);
    table_.features.assign(table_.features.size(), 0.5F);  // who computes sees it
    with.predict(starts_, vectors_, none, second);
    EXPECT_EQ(second, first);
    EXPECT_NE(other, first);
    std::vector<std::int32_t> const inserted(starts_.size(), 0);
    with.predict(starts_, vectors_, inserted, second);
    auto anew = predictor(kTwoStrands, plain());
    anew.predict(starts_, vectors_, inserted, first);
    EXPECT_EQ(second, first);
}

TEST_F(Insertion, AnAccessibilityModelDoesNotSeeTheColumn) {
    auto config = kTwoStrands;
    config.head = HeadKind::accessibility;
    config.outputs = 1;
    auto with = predictor(config, plain());
    auto const expected = predict(with);
    std::fill(table_.accessibility.begin(), table_.accessibility.end(), 0.25F);
    for (bool const share : {false, true}) {
        auto options = plain();
        options.shared_embedding = share;
        auto changed = predictor(config, options);
        EXPECT_LT(apart(predict(changed), expected), 1e-6);
    }
}

TEST_F(Insertion, MemoryBoundLeavesTheSharedEmbeddingOut) {
    InsertionOptions options{.window = kWindow, .focus = 4};
    auto const with = predictor(kTwoStrands, options);
    EXPECT_THAT(with.describe(), HasSubstr("shared embedding of 40 regions"));
    options.shared_embedding_bytes = 41 * 4 * 24 * 4 - 1;
    auto without = predictor(kTwoStrands, options);
    EXPECT_THAT(without.describe(), HasSubstr("no shared embedding"));
    EXPECT_LT(apart(predict(without), by_hand(kTwoStrands)), 1e-6);
}

TEST_F(Insertion, CheckedRunsAgree) {
    auto options = plain();
    options.one_query = options.shared_embedding = options.remember_uninserted = true;
    options.check_every = 1;
    auto with = predictor(kTwoStrands, options);
    EXPECT_LT(apart(predict(with), by_hand(kTwoStrands)), 1e-6);
}

TEST_F(Insertion, StopsBetweenMicroBatches) {
    auto with = predictor(kTwoStrands, plain());
    std::stop_source source;
    source.request_stop();
    std::vector<float> out(starts_.size() * 2);
    try {
        with.predict(starts_, vectors_, vector_of_, out, source.get_token());
        FAIL() << "was not stopped";
    } catch (Error const& error) {
        EXPECT_EQ(error.origin(), Origin::stopped);
        EXPECT_EQ(error.exit_code(), 3);
    }
}

TEST_F(Insertion, InputThatDoesNotFitIsRefused) {
    auto const refused = [&](InsertionOptions const& options) {
        return usage_message([&] { (void)predictor(kTwoStrands, options); });
    };
    EXPECT_THAT(refused({.window = 41, .focus = 0}), HasSubstr("window = 41 regions"));
    EXPECT_THAT(refused({.window = 11, .focus = 11}), HasSubstr("focus = 11"));
    EXPECT_THAT(refused({.window = 11, .focus = 4, .micro_batch = 0}), HasSubstr("micro_batch = 0"));
    table_.scales[3] = 0;
    EXPECT_THAT(refused({.window = 11, .focus = 4}), HasSubstr("scale of motif 3 is 0"));
    table_.scales[3] = 1;
    table_.features[8 * 5 + 2] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_THAT(refused({.window = 11, .focus = 4}), HasSubstr("nan for motif 2 of region 5"));
    table_.features[8 * 5 + 2] = std::numeric_limits<float>::infinity();
    EXPECT_THAT(refused({.window = 11, .focus = 4}), HasSubstr("inf for motif 2 of region 5"));
    table_.features[8 * 5 + 2] = 0;
    table_.accessibility[6] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_THAT(refused({.window = 11, .focus = 4}), HasSubstr("accessibility of region 6"));
    GetConfig more = kTwoStrands;
    more.features = 10;
    EXPECT_THAT(usage_message([&] { (void)predictor(more, {.window = 11, .focus = 4}); }),
                HasSubstr("the atlas has 8 motif features, the model reads 9"));
    GetConfig masked = kTwoStrands;
    masked.head = HeadKind::masked;
    masked.outputs = masked.features;
    EXPECT_THAT(usage_message([&] { (void)predictor(masked, {.window = 11, .focus = 4}); }),
                HasSubstr("masked head"));
    EXPECT_THAT(usage_message([&] { Predictor const absent(folder_ / "w.safetensors", {.device = 99}); }),
                HasSubstr("CUDA device 99"));
}

TEST(Screen, NamesAreFixed) {
    ScreenShape const one{.outputs = {"expression"}, .uninserted = false, .shuffled = false};
    EXPECT_EQ(statistic_names(one),
              (std::vector<std::string>{"expression.element.mean", "expression.element.sd",
                                        "expression.element.se"}));
    ScreenShape const all{.outputs = {"plus", "minus"}, .has_accessibility = true, .classes = {"promoter"}};
    auto const names = statistic_names(all);
    EXPECT_EQ(names.size(), 7U * 5 * 3 + 1 + 7 * 5);
    EXPECT_EQ(names[15], "minus.element.mean");
    EXPECT_EQ(names[30 + 9], "max.element-uninserted.mean");
    EXPECT_EQ(names[105], "insertions.promoter");
    EXPECT_EQ(names.back(), "max_x_accessibility.element-shuffled.mean.promoter");
    auto unique = names;
    std::sort(unique.begin(), unique.end());
    EXPECT_EQ(std::unique(unique.begin(), unique.end()), unique.end());
}

/// The statistics again, from the predictions of each arm.
TEST_F(Insertion, StatisticsAreThoseOfThePredictions) {
    InsertionOptions const options{.window = kWindow, .focus = 4, .micro_batch = 4};
    auto expression = predictor(kTwoStrands, options);
    auto accessible = kTwoStrands;
    accessible.head = HeadKind::accessibility;
    accessible.outputs = 1;
    auto accessibility = predictor(accessible, options);

    ScreenShape const shape{
        .outputs = {"plus", "minus"}, .has_accessibility = true, .classes = {"a", "b", "empty"}};
    std::vector<std::int32_t> const classes{0, 1, 0, -1, 1, 1, 0, 0, 1};
    auto const element = std::span(vectors_).first(8);
    auto const shuffles = std::span(vectors_).subspan(8);
    auto const names = statistic_names(shape);
    std::vector<double> statistics(names.size());
    std::vector<float> raw(starts_.size() * 2);
    std::vector<float> raw_shuffled(starts_.size() * 2);
    screen_element(expression, &accessibility, shape, {element, shuffles, starts_, classes}, statistics,
                   {.element = raw, .shuffled = raw_shuffled});

    auto const n = starts_.size();
    std::vector<std::vector<std::int32_t>> const arms{
        std::vector<std::int32_t>(n, 0), std::vector<std::int32_t>(n, -1), {1, 2, 1, 2, 1, 2, 1, 2, 1}};
    std::vector<std::vector<std::vector<double>>> values;  // (arm, quantity, insertion)
    for (auto const& arm : arms) {
        std::vector<float> e(2 * n);
        std::vector<float> a(n);
        expression.predict(starts_, vectors_, arm, e);
        accessibility.predict(starts_, vectors_, arm, a);
        if (values.empty()) {
            EXPECT_EQ(e, raw);
        }
        if (values.size() == 2) {
            EXPECT_EQ(e, raw_shuffled);
        }
        std::vector<std::vector<double>> quantities(7, std::vector<double>(n));
        for (std::size_t i = 0; i < n; ++i) {
            double const plus = e[2 * i];
            double const minus = e[2 * i + 1];
            double const open = a[i];
            double const most = std::max(plus, minus);
            double const row[] = {plus, minus, most, open, plus * open, minus * open, most * open};
            for (std::size_t q = 0; q < 7; ++q) quantities[q][i] = row[q];
        }
        values.push_back(quantities);
    }
    for (std::size_t control = 1; control < 3; ++control) {
        auto difference = values[0];
        for (std::size_t q = 0; q < 7; ++q) {
            for (std::size_t i = 0; i < n; ++i) difference[q][i] -= values[control][q][i];
        }
        values.push_back(difference);
    }
    std::vector<double> expected;
    for (std::size_t q = 0; q < 7; ++q) {
        for (std::size_t arm = 0; arm < 5; ++arm) {
            double mean = 0;
            double squares = 0;
            for (auto const v : values[arm][q]) mean += v / static_cast<double>(n);
            for (auto const v : values[arm][q]) squares += (v - mean) * (v - mean);
            double const sd = std::sqrt(squares / static_cast<double>(n - 1));
            expected.insert(expected.end(), {mean, sd, sd / std::sqrt(static_cast<double>(n))});
        }
    }
    for (std::int32_t c = 0; c < 3; ++c) {
        auto const count = std::count(classes.begin(), classes.end(), c);
        expected.push_back(static_cast<double>(count));
        for (std::size_t q = 0; q < 7; ++q) {
            for (std::size_t arm = 0; arm < 5; ++arm) {
                double sum = 0;
                for (std::size_t i = 0; i < n; ++i) sum += classes[i] == c ? values[arm][q][i] : 0;
                expected.push_back(sum / static_cast<double>(count));
            }
        }
    }
    ASSERT_EQ(expected.size(), statistics.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
        if (names[i].ends_with(".empty") && !names[i].starts_with("insertions")) {
            EXPECT_TRUE(std::isnan(statistics[i])) << names[i];
        } else {
            EXPECT_NEAR(statistics[i], expected[i], 1e-12) << names[i];
        }
    }
}

TEST_F(Insertion, AnEarlyStopUsesTheFirstInsertionsAndNoOthers) {
    constexpr std::size_t kAll = 200;
    Draws draws(7, Stream::tests, 0);
    std::vector<std::int64_t> many(kAll);
    std::vector<std::int32_t> classes(kAll);
    for (std::size_t i = 0; i < kAll; ++i) {
        many[i] = static_cast<std::int64_t>(draws.below(30));
        classes[i] = static_cast<std::int32_t>(draws.below(2));
    }
    ScreenShape const shape{.outputs = {"plus", "minus"}, .classes = {"a", "b"}};
    auto const names = statistic_names(shape);
    auto const value = [&](std::vector<double> const& statistics, std::string_view name) {
        return statistics[static_cast<std::size_t>(std::ranges::find(names, name) - names.begin())];
    };
    auto expression = predictor(
        kTwoStrands, {.window = kWindow, .focus = 4, .micro_batch = 5, .remember_uninserted = false});
    struct Screened {
        std::size_t used = 0;
        std::vector<double> statistics;
        std::vector<float> raw;
    };
    auto const screen = [&](std::size_t insertions, double stop_se) {
        Screened result{0, std::vector<double>(names.size()), std::vector<float>(2 * insertions)};
        result.used =
            screen_element(expression, nullptr, shape,
                           {std::span(vectors_).first(8), std::span(vectors_).subspan(8),
                            std::span(many).first(insertions), std::span(classes).first(insertions), stop_se},
                           result.statistics, {.element = result.raw});
        return result;
    };
    auto const all = screen(kAll, 0);
    EXPECT_EQ(all.used, kAll);

    // At once: the bits of a screen of 64. The two shuffles go on in turn.
    auto const at_once = screen(kAll, 1e6);
    auto const sixty_four = screen(64, 0);
    EXPECT_EQ(at_once.used, 64U);
    EXPECT_EQ(at_once.statistics, sixty_four.statistics);
    EXPECT_TRUE(std::equal(sixty_four.raw.begin(), sixty_four.raw.end(), at_once.raw.begin()));
    EXPECT_TRUE(
        std::all_of(at_once.raw.begin() + 128, at_once.raw.end(), [](float v) { return std::isnan(v); }));

    // At the second look, where the worse of the two outputs is good enough, but was not at the first.
    auto const worst = [&](Screened const& screened) {
        return std::max(value(screened.statistics, "plus.element-uninserted.se"),
                        value(screened.statistics, "minus.element-uninserted.se"));
    };
    auto const at_128 = screen(128, 0);
    ASSERT_LT(worst(at_128), worst(sixty_four));
    auto const second = screen(kAll, (worst(at_128) + worst(sixty_four)) / 2);
    EXPECT_EQ(second.used, 128U);
    EXPECT_NEAR(value(second.statistics, "plus.element.mean"), value(at_128.statistics, "plus.element.mean"),
                1e-6);
    EXPECT_EQ(value(second.statistics, "insertions.a") + value(second.statistics, "insertions.b"), 128);

    // Never: as without, but for where micro-batches are cut.
    auto const never = screen(kAll, 1e-9);
    EXPECT_EQ(never.used, kAll);
    for (std::size_t i = 0; i < names.size(); ++i)
        EXPECT_NEAR(never.statistics[i], all.statistics[i], 1e-6) << names[i];
    EXPECT_EQ(screen(40, 1e6).used, 40U);  // fewer than the first look
}

TEST_F(Insertion, OneInsertionHasNoSpread) {
    auto expression = predictor(kTwoStrands, {.window = kWindow, .focus = 4});
    ScreenShape const shape{.outputs = {"plus", "minus"}, .shuffled = false};
    std::vector<double> statistics(statistic_names(shape).size());
    std::vector<std::int64_t> const one{5};
    screen_element(expression, nullptr, shape, {std::span(vectors_).first(8), {}, one}, statistics);
    EXPECT_TRUE(std::isfinite(statistics[0]));
    EXPECT_TRUE(std::isnan(statistics[1]));
    EXPECT_TRUE(std::isnan(statistics[2]));
}

}  // namespace
}  // namespace mpira::model
