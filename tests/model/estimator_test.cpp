#include "mpira/model/estimator.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mpira/base/error.hpp"
#include "mpira/base/philox.hpp"
#include "mpira/model/ridge.hpp"

namespace mpira::model {
namespace {

constexpr EstimatorShape kShape{.columns = 5, .outputs = 2};

struct Rows {
    explicit Rows(std::size_t count, std::uint32_t which = 0) {
        Draws draws(3, Stream::tests, which);
        for (std::size_t row = 0; row < count; ++row) {
            for (std::size_t column = 0; column < kShape.columns; ++column) {
                x.push_back(draws.uniform() < 0.4 ? 0.0F : static_cast<float>(draws.uniform()));
            }
            float const* const own = x.data() + row * kShape.columns;
            y.push_back(own[0] - 2 * own[1] + 0.5F);
            y.push_back(own[2] > 0.5F ? 1.0F : 0.0F);
        }
    }
    std::vector<float> x, y;
};

std::vector<float> fitted(Estimator& estimator, Rows const& rows, Rows const& test,
                          std::size_t block = 1000) {
    auto const count = rows.y.size() / kShape.outputs;
    for (std::size_t first = 0; first < count; first += block) {
        auto const some = std::min(block, count - first);
        estimator.add(std::span(rows.x).subspan(first * kShape.columns, some * kShape.columns),
                      std::span(rows.y).subspan(first * kShape.outputs, some * kShape.outputs));
    }
    estimator.fit({});
    std::vector<float> predicted(test.y.size());
    estimator.predict(test.x, predicted);
    return predicted;
}

double mean_error(std::vector<float> const& predicted, Rows const& test, std::size_t output) {
    double sum = 0;
    for (std::size_t i = output; i < predicted.size(); i += kShape.outputs) {
        sum += std::abs(predicted[i] - test.y[i]);
    }
    return sum * kShape.outputs / static_cast<double>(predicted.size());
}

std::vector<std::unique_ptr<Estimator>> one_of_each(std::uint64_t seed) {
    std::vector<std::unique_ptr<Estimator>> all;
    all.push_back(make_ridge(kShape, 1e-3));
    all.push_back(make_forest(kShape, {.seed = seed}));
    all.push_back(make_svr(kShape, {.epsilon = 0.01, .c = 10, .seed = seed}));
    return all;
}

TEST(Estimators, LearnAnOutputEachWhateverTheBlocks) {
    Rows const rows(400);
    Rows const test(100, 1);
    auto whole = one_of_each(7);
    auto parts = one_of_each(7);
    std::vector<double> const line{0.01, 0.3, 0.05};
    std::vector<double> const step{0.4, 0.05, 0.4};
    for (std::size_t i = 0; i < whole.size(); ++i) {
        auto const predicted = fitted(*whole[i], rows, test);
        EXPECT_LT(mean_error(predicted, test, 0), line[i]) << i;
        EXPECT_LT(mean_error(predicted, test, 1), step[i]) << i;
        auto const again = fitted(*parts[i], rows, test, 33);
        for (std::size_t k = 0; k < again.size(); ++k) EXPECT_NEAR(again[k], predicted[k], 1e-6) << i;
    }
}

TEST(Estimators, DependOnTheSeedAloneWhereTheyDraw) {
    Rows const rows(300);
    Rows const test(50, 1);
    auto const of_seed = [&](std::size_t kind, std::uint64_t seed) {
        auto const all = one_of_each(seed);
        return fitted(*all[kind], rows, test);
    };
    for (std::size_t kind = 0; kind < 3; ++kind) EXPECT_EQ(of_seed(kind, 0), of_seed(kind, 0)) << kind;
    EXPECT_EQ(of_seed(0, 0), of_seed(0, 1));
    EXPECT_NE(of_seed(1, 0), of_seed(1, 1));
    EXPECT_NE(of_seed(2, 0), of_seed(2, 1));  // within the tolerance only
}

TEST(Estimators, AreStopped) {
    Rows const rows(300);
    for (auto const& estimator : one_of_each(0)) {
        estimator->add(rows.x, rows.y);
        int asked = 0;
        try {
            estimator->fit([&] { return ++asked > 0; });
            ADD_FAILURE() << "was not stopped";
        } catch (Error const& error) {
            EXPECT_EQ(error.origin(), Origin::stopped);
        }
    }
    // liblinear is as good as new afterwards.
    auto const svr = make_svr(kShape, {.epsilon = 0.01, .c = 10});
    EXPECT_LT(mean_error(fitted(*svr, rows, rows), rows, 0), 0.05);
}

TEST(Forest, OneDeepTreeOfTheRowsThemselvesKnowsThem) {
    Rows const rows(200);
    auto const tree = make_forest(kShape, {.trees = 1, .depth = 64, .bootstrap = false});
    auto const predicted = fitted(*tree, rows, rows);
    for (std::size_t i = 0; i < predicted.size(); ++i) EXPECT_NEAR(predicted[i], rows.y[i], 1e-6);
    // A stump has two values, each the mean of its rows.
    auto const stump = make_forest({.columns = 1}, {.trees = 1, .depth = 1, .bootstrap = false});
    stump->add(std::vector<float>{0.1F, 0.2F, 0.6F, 0.8F}, std::vector<float>{0, 1, 5, 6});
    stump->fit({});
    std::vector<float> out(4);
    stump->predict(std::vector<float>{-1, 0.39F, 0.41F, 9}, out);
    EXPECT_EQ(out, (std::vector<float>{0.5F, 0.5F, 5.5F, 5.5F}));
}

TEST(Forest, EqualInputsOrTargetsAreOneLeaf) {
    auto const forest = make_forest({.columns = 2}, {.trees = 3});
    forest->add(std::vector<float>{1, 0, 1, 0, 1, 0}, std::vector<float>{2, 2, 2});
    forest->fit({});
    std::vector<float> out(1);
    forest->predict(std::vector<float>{5, 5}, out);
    EXPECT_EQ(out.front(), 2.0F);
}

TEST(Svr, SaysWhenItHasNotConverged) {
    Rows const rows(300);
    auto const hard = make_svr(kShape, {.epsilon = 0, .c = 1e4, .tolerance = 1e-12});
    (void)fitted(*hard, rows, rows);
    EXPECT_NE(hard->remark().find("liblinear"), std::string::npos) << hard->remark();
    // Errors within epsilon cost nothing: the least coefficients are none.
    auto const easy = make_svr(kShape, {.epsilon = 100});
    for (auto const value : fitted(*easy, rows, rows)) EXPECT_EQ(value, 0.0F);
    EXPECT_TRUE(easy->remark().empty());
}

TEST(RidgeSums, OfAllRowsLessThoseOfAPartAreTheOthers) {
    Rows const first(50);
    Rows const second(70, 1);
    auto const add = [](RidgeSums& sums, Rows const& rows) {
        sums.add(rows.x, std::vector<double>(rows.y.begin(), rows.y.end()));
    };
    RidgeSums all(kShape.columns, kShape.outputs);
    add(all, first);
    add(all, second);
    RidgeSums part(kShape.columns, kShape.outputs);
    add(part, first);
    RidgeSums other(kShape.columns, kShape.outputs);
    add(other, second);
    all -= part;
    auto const found = all.fit(0.5);
    auto const expected = other.fit(0.5);
    ASSERT_EQ(found.size(), 2U);
    for (std::size_t output = 0; output < 2; ++output) {
        EXPECT_NEAR(found[output].intercept, expected[output].intercept, 1e-9);
        for (std::size_t i = 0; i < kShape.columns; ++i) {
            EXPECT_NEAR(found[output].coefficients[i], expected[output].coefficients[i], 1e-9);
        }
    }
}

}  // namespace
}  // namespace mpira::model
