// Attention on the host beside its definition in f64.
#include "model/host_attention.hpp"

#include <cmath>
#include <limits>
#include <string>

#include <ATen/ops/equal.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <gtest/gtest.h>

#include "support_torch.hpp"

namespace mpira::model {
namespace {

using tests::uniform;

at::Tensor by_definition(at::Tensor const& q, at::Tensor const& k, at::Tensor const& v) {
    auto const wide = q.to(at::kDouble).div(std::sqrt(static_cast<double>(q.size(3))));
    auto const weights = at::softmax(at::matmul(wide, k.to(at::kDouble).transpose(2, 3)), 3);
    return at::matmul(weights, v.to(at::kDouble)).transpose(1, 2).flatten(2).flatten(0, 1);
}

/// (B, heads, N, d) as a row of queries, keys and values gives them: columns from `first` on.
at::Tensor heads_of(at::Tensor const& rows, std::int64_t windows, std::int64_t heads, std::int64_t dim,
                    std::int64_t first) {
    return rows.narrow(1, first, heads * dim).view({windows, -1, heads, dim}).transpose(1, 2);
}

double largest(at::Tensor const& values) {
    return values.abs().max().item<double>();
}

class HostAttention : public testing::TestWithParam<at::ScalarType> {};

TEST_P(HostAttention, IsItsDefinition) {
    auto const tolerance = GetParam() == at::kFloat ? 2e-6 : 6e-3;
    for (std::int64_t const dim : {16, 32, 48, 64}) {
        for (std::int64_t const keys : {1, 7, 16, 51, 201}) {
            // Scores from -40 to 40: weights of all sizes.
            auto const rows = uniform({2 * keys, 9 * dim}, 3, -3, 3).to(GetParam());
            auto const q = heads_of(rows, 2, 3, dim, 0);
            auto const k = heads_of(rows, 2, 3, dim, 3 * dim);
            auto const v = heads_of(rows, 2, 3, dim, 6 * dim);
            ASSERT_TRUE(takes_host_attention(q, k, v));
            for (auto const queries : {std::int64_t{1}, keys}) {
                auto const some = q.narrow(2, keys - queries, queries);
                auto const found = host_attention(some, k, v);
                auto const expected = by_definition(some, k, v);
                ASSERT_EQ(found.sizes(), expected.sizes());
                EXPECT_EQ(found.scalar_type(), GetParam());
                EXPECT_LT(largest(found.to(at::kDouble).sub(expected)), tolerance * largest(expected))
                    << "d " << dim << ", keys " << keys << ", queries " << queries;
                EXPECT_TRUE(at::equal(host_attention(some, k, v), found));
            }
        }
    }
}

/// Several queries are worked on together, in other code than one alone: a query's bits are its own.
TEST_P(HostAttention, AQueryHasTheBitsItHasAlone) {
    auto const rows = uniform({51, 3 * 32}, 6, -3, 3).to(GetParam());
    auto const part = [&](std::int64_t first) { return heads_of(rows, 1, 1, 32, first); };
    auto const all = host_attention(part(0), part(32), part(64));
    for (std::int64_t query = 0; query < rows.size(0); ++query) {
        auto const alone = host_attention(part(0).narrow(2, query, 1), part(32), part(64));
        EXPECT_TRUE(at::equal(alone, all.narrow(0, query, 1))) << query;
    }
}

/// Far below the largest score e^x leaves the range of a float.
TEST_P(HostAttention, ScoresFarApart) {
    auto const rows = uniform({40, 48}, 4, -100, 100).to(GetParam());
    auto const part = [&](std::int64_t first) { return heads_of(rows, 1, 1, 16, first); };
    auto const expected = by_definition(part(0), part(16), part(32));
    EXPECT_LT(largest(host_attention(part(0), part(16), part(32)).to(at::kDouble).sub(expected)),
              (GetParam() == at::kFloat ? 1e-4 : 1e-2) * largest(expected));
}

/// What isn't a number must not become one.
TEST_P(HostAttention, ANanIsSeen) {
    for (std::int64_t const column : {0, 16, 32}) {
        auto const rows = uniform({20, 48}, 5, -1, 1);
        rows[9][column] = std::numeric_limits<float>::quiet_NaN();
        auto const narrow = rows.to(GetParam());
        auto const part = [&](std::int64_t first) { return heads_of(narrow, 1, 1, 16, first); };
        auto const found = host_attention(part(0), part(16), part(32)).to(at::kFloat);
        auto const expected = by_definition(part(0), part(16), part(32));
        EXPECT_TRUE(at::equal(found.isnan(), expected.isnan())) << column;
    }
}

INSTANTIATE_TEST_SUITE_P(Types, HostAttention, testing::Values(at::kFloat, at::kBFloat16),
                         [](auto const& one) { return one.param == at::kFloat ? "f32" : "bf16"; });

TEST(HostAttentionTakes, HeadsOfWholeVectorsOnly) {
    auto const part = [](std::int64_t dim) { return uniform({1, 2, 5, dim}, 1, 0, 1); };
    EXPECT_TRUE(takes_host_attention(part(32), part(32), part(32)));
    EXPECT_FALSE(takes_host_attention(part(20), part(20), part(20)));
    auto const across = part(16).transpose(2, 3).narrow(3, 0, 5).contiguous().transpose(2, 3);
    EXPECT_FALSE(takes_host_attention(across, across, across));
}

}  // namespace
}  // namespace mpira::model
