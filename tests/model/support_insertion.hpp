#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "mpira/model/insertion.hpp"

#include "support.hpp"

/// A table, starts and vectors, and a predictor of insertions into it.
namespace mpira::model::tests {

inline GetConfig const kTwoStrands{
    .features = 9, .dim = 24, .depth = 3, .heads = 4, .mlp_ratio = 2.5, .outputs = 2};
inline constexpr std::int64_t kWindow = 11;

inline FeatureTable view(Table const& table) {
    return {table.regions, table.motifs, table.features, table.scales, table.accessibility};
}

/// max|a-b| / max(1, max|b|)
inline double apart(std::vector<float> const& a, std::vector<float> const& b) {
    EXPECT_EQ(a.size(), b.size());
    double worst = 0;
    double size = 1;
    for (std::size_t i = 0; i < a.size(); ++i) {
        worst = std::max(worst, std::abs(double{a[i]} - double{b[i]}));
        size = std::max(size, std::abs(double{b[i]}));
    }
    return worst / size;
}

/// On the host, or on a GPU.
class Insertion : public testing::TestWithParam<int> {
protected:
    /// Of predictions that are the same but for float noise.
    [[nodiscard]] static double tolerance() { return GetParam() < 0 ? 1e-6 : 1e-5; }

    Folder folder_;
    Table table_{40, 8};
    std::vector<std::int64_t> const starts_{0, 29, 3, 3, 17, 8, 29, 12, 5};
    std::vector<float> const vectors_ = uniform_values(3 * 8, 30, 0, 1);
    std::vector<std::int32_t> const vector_of_{0, 1, 2, -1, -1, 0, 1, 2, -1};

    InsertionPredictor predictor(GetConfig const& config, InsertionOptions const& options) {
        write_random_weights(folder_ / "w.safetensors", config, kWindow);
        return {Predictor(folder_ / "w.safetensors", {.device = GetParam()}), view(table_), options};
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
        Predictor const model(folder_ / "w.safetensors", {.device = GetParam()});
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

}  // namespace mpira::model::tests
