#include "mpira/model/insertion.hpp"

#include <algorithm>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support_insertion.hpp"

namespace mpira::model {
namespace {

using namespace tests;
using testing::HasSubstr;

TEST_P(Insertion, IsWhatOneWindowByHandGives) {
    auto with = predictor(kTwoStrands, plain());
    auto const expected = by_hand(kTwoStrands);
    EXPECT_LT(apart(predict(with), expected), tolerance());
    // The element must matter, or nothing was inserted.
    std::vector<float> const third(expected.begin() + 4, expected.begin() + 6);   // start 3, vector 2
    std::vector<float> const fourth(expected.begin() + 6, expected.begin() + 8);  // start 3, none
    EXPECT_GT(apart(third, fourth), 1e-3);
}

TEST_P(Insertion, EveryShortcutIsExact) {
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
                EXPECT_LT(apart(predict(with), expected), tolerance())
                    << "shortcuts " << bits << ", batch " << batch;
                EXPECT_LT(apart(predict(with), expected), tolerance()) << "again, shortcuts " << bits;
            }
        }
    }
}

TEST_P(Insertion, BitsDoNotDependOnWhatWasPredictedBefore) {
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

TEST_P(Insertion, ARepeatedControlIsNotComputedAgain) {
    auto with = predictor(kTwoStrands, plain());
    std::vector<std::int32_t> const none(starts_.size(), -1);
    std::vector<float> first(starts_.size() * 2), second(first), other(first);
    with.predict(starts_, vectors_, none, first);
    auto elsewhere = starts_;
    elsewhere.back() += 1;
    with.predict(elsewhere, vectors_, none, other);
    if (GetParam() >= 0) return;                           // it has a copy of the table
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

TEST_P(Insertion, AnAccessibilityModelDoesNotSeeTheColumn) {
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
        EXPECT_LT(apart(predict(changed), expected), tolerance());
    }
}

TEST_P(Insertion, MemoryBoundLeavesTheSharedEmbeddingOut) {
    InsertionOptions options{.window = kWindow, .focus = 4};
    auto const with = predictor(kTwoStrands, options);
    EXPECT_THAT(with.describe(), HasSubstr("shared embedding of 40 regions"));
    options.shared_embedding_bytes = 41 * 4 * 24 * 4 - 1;
    auto without = predictor(kTwoStrands, options);
    EXPECT_THAT(without.describe(), HasSubstr("no shared embedding"));
    EXPECT_LT(apart(predict(without), by_hand(kTwoStrands)), tolerance());
}

TEST_P(Insertion, CheckedRunsAgree) {
    auto options = plain();
    options.one_query = options.shared_embedding = options.remember_uninserted = true;
    options.check_every = 1;
    auto with = predictor(kTwoStrands, options);
    EXPECT_LT(apart(predict(with), by_hand(kTwoStrands)), tolerance());
}

TEST_P(Insertion, StopsBetweenMicroBatches) {
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

TEST_P(Insertion, InputThatDoesNotFitIsRefused) {
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

INSTANTIATE_TEST_SUITE_P(Devices, Insertion, testing::ValuesIn(devices()),
                         [](auto const& one) { return name_of_device(one.param); });

}  // namespace
}  // namespace mpira::model
