// What a screen of an element makes of its predictions.
#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "mpira/base/philox.hpp"
#include "mpira/model/insertion.hpp"

#include "support_insertion.hpp"

namespace mpira::model {
namespace {

using namespace tests;

using Screen = Insertion;

TEST(ScreenNames, AreFixed) {
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
TEST_P(Screen, StatisticsAreThoseOfThePredictions) {
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

TEST_P(Screen, AnEarlyStopUsesTheFirstInsertionsAndNoOthers) {
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
                tolerance());
    EXPECT_EQ(value(second.statistics, "insertions.a") + value(second.statistics, "insertions.b"), 128);

    // Never: as without, but for where micro-batches are cut.
    auto const never = screen(kAll, 1e-9);
    EXPECT_EQ(never.used, kAll);
    for (std::size_t i = 0; i < names.size(); ++i)
        EXPECT_NEAR(never.statistics[i], all.statistics[i], tolerance()) << names[i];
    EXPECT_EQ(screen(40, 1e6).used, 40U);  // fewer than the first look
}

TEST_P(Screen, OneInsertionHasNoSpread) {
    auto expression = predictor(kTwoStrands, {.window = kWindow, .focus = 4});
    ScreenShape const shape{.outputs = {"plus", "minus"}, .shuffled = false};
    std::vector<double> statistics(statistic_names(shape).size());
    std::vector<std::int64_t> const one{5};
    screen_element(expression, nullptr, shape, {std::span(vectors_).first(8), {}, one}, statistics);
    EXPECT_TRUE(std::isfinite(statistics[0]));
    EXPECT_TRUE(std::isnan(statistics[1]));
    EXPECT_TRUE(std::isnan(statistics[2]));
}

INSTANTIATE_TEST_SUITE_P(Devices, Screen, testing::ValuesIn(devices()),
                         [](auto const& one) { return name_of_device(one.param); });

}  // namespace
}  // namespace mpira::model
