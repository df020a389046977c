// What is said about LibTorch's refusals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/predictor_state.hpp"

namespace mpira::model {
namespace {

using testing::EndsWith;

template <typename Throw>
std::string message_of(Throw const& refuse, std::int64_t micro_batch) {
    try {
        in_torch({}, micro_batch, refuse);
    } catch (Error const& error) {
        EXPECT_EQ(error.origin(), Origin::torch);
        return error.what();
    }
    return "nothing was thrown";
}

TEST(InTorch, SaysWhatToLowerWhenMemoryRunsOut) {
    auto const by_torch = [] { TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory."); };
    EXPECT_THAT(message_of(by_torch, 200), EndsWith("out of memory.; lower model.micro_batch (now 200)"));
    EXPECT_THAT(message_of(by_torch, 1), EndsWith("out of memory."));
    auto const by_script = [] { throw Error(Origin::torch, "w.pt: forward: CUDA out of memory."); };
    EXPECT_THAT(message_of(by_script, 7), EndsWith("lower model.micro_batch (now 7)"));
}

TEST(InTorch, SaysWhatToSetWhereAnOperatorHasNoOrder) {
    auto const refuse = [] { TORCH_CHECK(false, "x_cuda does not have a deterministic implementation."); };
    EXPECT_THAT(message_of(refuse, 8), testing::HasSubstr("set model.attention = \"fastest\""));
}

}  // namespace
}  // namespace mpira::model
