#include "host_attention.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include "mpira/base/error.hpp"

#include "narrow_rows.hpp"

namespace mpira::model {
namespace {

constexpr std::size_t kLanes = 16;
constexpr std::size_t kQueries = 8;  // at once: 8 rows of 2 vectors fill the registers
using Vector = float __attribute__((vector_size(kLanes * sizeof(float))));
using Integers = std::int32_t __attribute__((vector_size(kLanes * sizeof(float))));

std::size_t vectors_of(std::size_t values) {
    return (values + kLanes - 1) / kLanes;
}

/// Of one window and head, f32: what attend_queries works on and in. LibTorch aligns memory for vectors.
struct Scratch {
    Scratch(std::size_t key_count, std::size_t head_dim)
        : keys(key_count),
          key_vectors(vectors_of(keys)),
          dim_vectors(head_dim / kLanes),
          memory(at::empty({static_cast<std::int64_t>(kLanes * (head_dim * key_vectors + keys * dim_vectors +
                                                                kQueries * (2 * dim_vectors + key_vectors)))},
                           at::kFloat)) {
        auto* next = reinterpret_cast<Vector*>(memory.mutable_data_ptr<float>());
        auto const take = [&](std::size_t vectors) { return std::exchange(next, next + vectors); };
        k_by_value = take(head_dim * key_vectors);
        v = take(keys * dim_vectors);
        q = take(kQueries * dim_vectors);
        scores = take(kQueries * key_vectors);
        out = take(kQueries * dim_vectors);
        memory.zero_();
        for (std::size_t lane = 0; lane < kLanes; ++lane)
            is_key[lane] = (key_vectors - 1) * kLanes + lane < keys ? 1 : 0;
    }

    std::size_t keys, key_vectors, dim_vectors;
    at::Tensor memory;
    Vector* k_by_value;  // (d, keys)
    Vector* v;           // (keys, d)
    Vector* q;           // (kQueries, d), times log2(e) / sqrt(d)
    Vector* scores;      // (kQueries, keys)
    Vector* out;         // (kQueries, d)
    Integers is_key{};   // of the last vector of keys
};

float* floats(Vector* vectors) {
    return reinterpret_cast<float*>(vectors);
}

/// Rows of one window and head, d values of each, as they lie in a tensor.
template <typename Value>
struct Rows {
    Value const* first;
    std::ptrdiff_t stride;

    [[nodiscard]] Value const* operator[](std::size_t row) const {
        return first + static_cast<std::ptrdiff_t>(row) * stride;
    }
};

template <typename Value>
Rows<Value> rows_of(at::Tensor const& all, std::int64_t window, std::int64_t head) {
    return {static_cast<Value const*>(all.const_data_ptr()) + window * all.stride(0) + head * all.stride(1),
            all.stride(2)};
}

[[gnu::always_inline]] inline void load(float const* from, Vector& to) {
    std::memcpy(&to, from, sizeof(to));
}
[[gnu::always_inline]] inline void load(std::uint16_t const* from, Vector& to) {
    std::uint16_t narrow __attribute__((vector_size(kLanes * sizeof(std::uint16_t))));
    std::memcpy(&narrow, from, sizeof(narrow));
    to = __builtin_bit_cast(Vector, __builtin_convertvector(narrow, Integers) << 16);
}

/// `to` (count, dim) = rows times `by`.
template <typename Value>
[[gnu::always_inline]] inline void copy_scaled(Rows<Value> rows, std::size_t count, std::size_t dim_vectors,
                                               float by, Vector* to) {
    for (std::size_t r = 0; r < count; ++r) {
        auto const* const row = rows[r];
        for (std::size_t n = 0; n < dim_vectors; ++n) {
            load(row + n * kLanes, *to);
            *to++ *= by;
        }
    }
}
MPIRA_CLONES void copy(Rows<float> rows, std::size_t count, std::size_t dim_vectors, float by, Vector* to) {
    copy_scaled(rows, count, dim_vectors, by, to);
}
MPIRA_CLONES void copy(Rows<std::uint16_t> rows, std::size_t count, std::size_t dim_vectors, float by,
                       Vector* to) {
    copy_scaled(rows, count, dim_vectors, by, to);
}

/// a and b exchange the lanes in which they differ from a transpose of blocks of kSide: those of b's left
/// blocks with those of a's right ones.
template <std::size_t kSide, std::size_t... kLane>
[[gnu::always_inline]] inline void exchange(Vector& a, Vector& b, std::index_sequence<kLane...> /*lanes*/) {
    auto const left = __builtin_shufflevector(
        a, b, static_cast<int>((kLane & kSide) != 0 ? kLanes + kLane - kSide : kLane)...);
    b = __builtin_shufflevector(a, b,
                                static_cast<int>((kLane & kSide) != 0 ? kLanes + kLane : kLane + kSide)...);
    a = left;
}

template <std::size_t kSide>
[[gnu::always_inline]] inline void exchange_all(Vector* rows) {
#pragma GCC unroll 16
    for (std::size_t r = 0; r < kLanes; ++r) {
        if ((r & kSide) == 0) exchange<kSide>(rows[r], rows[r + kSide], std::make_index_sequence<kLanes>());
    }
}

/// Rows (keys, dim) -> k_by_value (dim, keys), 16 x 16 values at a time in registers; 0 behind the last key.
template <typename Value>
[[gnu::always_inline]] inline void transpose(Rows<Value> rows, Scratch const& at) {
    for (std::size_t first = 0; first < at.key_vectors; ++first) {
        auto const count = std::min(kLanes, at.keys - first * kLanes);
        for (std::size_t n = 0; n < at.dim_vectors; ++n) {
            Vector block[kLanes];
#pragma GCC unroll 16
            for (std::size_t r = 0; r < kLanes; ++r) {
                block[r] = Vector{};
                if (r < count) load(rows[first * kLanes + r] + n * kLanes, block[r]);
            }
            exchange_all<8>(block);
            exchange_all<4>(block);
            exchange_all<2>(block);
            exchange_all<1>(block);
#pragma GCC unroll 16
            for (std::size_t c = 0; c < kLanes; ++c)
                at.k_by_value[(n * kLanes + c) * at.key_vectors + first] = block[c];
        }
    }
}
MPIRA_CLONES void turn(Rows<float> keys, Scratch const& at) {
    transpose(keys, at);
}
MPIRA_CLONES void turn(Rows<std::uint16_t> keys, Scratch const& at) {
    transpose(keys, at);
}

/// c (kRows, kVectors) = a (kRows, depth) b (depth, kVectors); strides in elements of each.
template <std::size_t kRows, std::size_t kVectors>
[[gnu::always_inline]] inline void multiply(float const* a, std::size_t a_stride, Vector const* b,
                                            std::size_t b_stride, std::size_t depth, Vector* c,
                                            std::size_t c_stride) {
    Vector sums[kRows][kVectors] = {};
    for (std::size_t i = 0; i < depth; ++i) {
#pragma GCC unroll 8
        for (std::size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
            for (std::size_t n = 0; n < kVectors; ++n)
                sums[r][n] += a[r * a_stride + i] * b[i * b_stride + n];
        }
    }
#pragma GCC unroll 8
    for (std::size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
        for (std::size_t n = 0; n < kVectors; ++n) c[r * c_stride + n] = sums[r][n];
    }
}

/// All columns of b, two vectors at a time.
template <std::size_t kRows>
[[gnu::always_inline]] inline void multiply_columns(float const* a, std::size_t a_stride, Vector const* b,
                                                    std::size_t vectors, std::size_t depth, Vector* c) {
    std::size_t n = 0;
    for (; n + 2 <= vectors; n += 2) multiply<kRows, 2>(a, a_stride, b + n, vectors, depth, c + n, vectors);
    if (n < vectors) multiply<kRows, 1>(a, a_stride, b + n, vectors, depth, c + n, vectors);
}

/// For all kQueries rows of a, or the first alone: the last block reads one query a window. Of its own name
/// in a profile: perf/profile counts it as a product.
MPIRA_CLONES void multiply_all(std::size_t rows, float const* a, std::size_t a_stride, Vector const* b,
                               std::size_t vectors, std::size_t depth, Vector* c) {
    if (rows == 1)
        multiply_columns<1>(a, a_stride, b, vectors, depth, c);
    else
        multiply_columns<kQueries>(a, a_stride, b, vectors, depth, c);
}

/// x = 2^x for x <= 0: a power of 2 and, for what is left, from -1/2 to 1/2, the polynomial of degree 6 with
/// the least relative error, 2e-9; below -126, where a float ends, 2^-126. A NaN stays one.
[[gnu::always_inline]] inline void exponentiate(Vector& x) {
    constexpr float kRounder = 0x1.8p23F + 127;  // the sum's last bits are the nearest integer, plus 127
    x = x < -126.0F ? Vector{} - 126.0F : x;
    Vector const rounded = x + kRounder;
    Vector const f = x - (rounded - kRounder);
    Vector sum = f * 1.53458120e-4F + 1.33999312e-3F;
    sum = sum * f + 9.61848896e-3F;
    sum = sum * f + 5.55032878e-2F;
    sum = sum * f + 2.40226469e-1F;
    sum = sum * f + 6.93147206e-1F;
    sum = sum * f + 1.0F;
    x = sum * __builtin_bit_cast(Vector, __builtin_bit_cast(Integers, rounded) << 23);
}

/// `lanes` joined into one by join(into, with), by halves.
template <typename Join>
[[gnu::always_inline]] inline float joined(Vector const& lanes, Join const& join) {
    Vector all = lanes;
    join(all, __builtin_shufflevector(all, all, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
    join(all, __builtin_shufflevector(all, all, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
    join(all, __builtin_shufflevector(all, all, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
    join(all, __builtin_shufflevector(all, all, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
    return all[0];
}

/// Lane r of `ones`: what joined() makes of rows[r], in the same order. All kQueries at once take half of
/// the shuffles, and none waits for another.
template <typename Join>
[[gnu::always_inline]] inline void join_each(Vector const* rows, Join const& join, Vector& ones) {
    Vector halves[4];
    for (std::size_t i = 0; i < 4; ++i) {
        auto const& a = rows[2 * i];
        auto const& b = rows[2 * i + 1];
        halves[i] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
        join(halves[i],
             __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31));
    }
    Vector quarters[2];
    for (std::size_t i = 0; i < 2; ++i) {
        auto const& a = halves[2 * i];
        auto const& b = halves[2 * i + 1];
        quarters[i] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
        join(quarters[i],
             __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31));
    }
    auto const& a = quarters[0];
    auto const& b = quarters[1];
    Vector pairs = __builtin_shufflevector(a, b, 0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29);
    join(pairs, __builtin_shufflevector(a, b, 2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31));
    ones = __builtin_shufflevector(pairs, pairs, 0, 2, 4, 6, 8, 10, 12, 14, 0, 2, 4, 6, 8, 10, 12, 14);
    join(ones, __builtin_shufflevector(pairs, pairs, 1, 3, 5, 7, 9, 11, 13, 15, 1, 3, 5, 7, 9, 11, 13, 15));
}

template <std::size_t kRows, typename Join>
[[gnu::always_inline]] inline void join_rows(Vector const* rows, Join const& join, Vector& ones) {
    if constexpr (kRows == 1)
        ones = Vector{} + joined(rows[0], join);
    else
        join_each(rows, join, ones);
}

/// Scores of each query -> 2^(score - largest), 0 behind the last key. Lane r of `by`: 1 / the sum of query
/// r's.
template <std::size_t kRows>
[[gnu::always_inline]] inline void weigh(Scratch const& at, Vector& by) {
    auto const vectors = at.key_vectors;
    Vector all[kRows];
#pragma GCC unroll 8
    for (std::size_t r = 0; r < kRows; ++r) {
        auto* const scores = at.scores + r * vectors;
        auto& last = scores[vectors - 1];
        last = at.is_key != 0 ? last : Vector{} - std::numeric_limits<float>::infinity();
        all[r] = scores[0];
        for (std::size_t n = 1; n < vectors; ++n) all[r] = scores[n] > all[r] ? scores[n] : all[r];
    }
    Vector largest;
    join_rows<kRows>(
        all, [](Vector& a, Vector const& b) { a = b > a ? b : a; }, largest);
#pragma GCC unroll 8
    for (std::size_t r = 0; r < kRows; ++r) {
        auto* const scores = at.scores + r * vectors;
        all[r] = Vector{};
        for (std::size_t n = 0; n < vectors; ++n) {
            scores[n] -= largest[r];
            exponentiate(scores[n]);
            if (n + 1 == vectors) scores[n] = at.is_key != 0 ? scores[n] : Vector{};
            all[r] += scores[n];
        }
    }
    join_rows<kRows>(
        all, [](Vector& a, Vector const& b) { a += b; }, by);
    by = 1 / by;
}

/// q -> out: the first query, or all kQueries.
template <std::size_t kRows>
[[gnu::always_inline]] inline void attend_rows(Scratch const& at) {
    multiply_all(kRows, floats(at.q), at.dim_vectors * kLanes, at.k_by_value, at.key_vectors,
                 at.dim_vectors * kLanes, at.scores);
    Vector by;
    weigh<kRows>(at, by);
    multiply_all(kRows, floats(at.scores), at.key_vectors * kLanes, at.v, at.dim_vectors, at.keys, at.out);
#pragma GCC unroll 8
    for (std::size_t r = 0; r < kRows; ++r) {
        for (std::size_t n = 0; n < at.dim_vectors; ++n) at.out[r * at.dim_vectors + n] *= by[r];
    }
}
MPIRA_CLONES void attend_queries(std::size_t queries, Scratch const& at) {
    if (queries == 1)
        attend_rows<1>(at);
    else
        attend_rows<kQueries>(at);
}

void write(float const* from, std::size_t count, float* to) {
    std::memcpy(to, from, count * sizeof(float));
}
void write(float const* from, std::size_t count, std::uint16_t* to) {
    narrow(from, count, to);
}

template <typename Value>
void attend_head(Rows<Value> q, std::size_t queries, Rows<Value> k, Rows<Value> v, Value* out,
                 std::size_t out_stride, Scratch const& at) {
    auto const dim = at.dim_vectors * kLanes;
    copy(v, at.keys, at.dim_vectors, 1, at.v);
    turn(k, at);
    constexpr float kLog2OfE = 1.44269504F;
    auto const scale = kLog2OfE / std::sqrt(static_cast<float>(dim));
    for (std::size_t first = 0; first < queries; first += kQueries) {
        auto const count = std::min(kQueries, queries - first);
        copy({q[first], q.stride}, count, at.dim_vectors, scale, at.q);
        // What lies behind the last query is computed for nobody.
        attend_queries(queries == 1 ? 1 : kQueries, at);
        for (std::size_t r = 0; r < count; ++r)
            write(floats(at.out) + r * dim, dim, out + (first + r) * out_stride);
    }
}

template <typename Value>
void attend(at::Tensor const& q, at::Tensor const& k, at::Tensor const& v, Value* out) {
    auto const heads = q.size(1);
    auto const queries = q.size(2);
    auto const dim = q.size(3);
    at::parallel_for(0, q.size(0) * heads, 1, [&](std::int64_t first, std::int64_t end) {
        Scratch scratch(static_cast<std::size_t>(k.size(2)), static_cast<std::size_t>(dim));
        for (auto i = first; i < end; ++i) {
            auto const window = i / heads;
            auto const head = i % heads;
            attend_head<Value>(rows_of<Value>(q, window, head), static_cast<std::size_t>(queries),
                               rows_of<Value>(k, window, head), rows_of<Value>(v, window, head),
                               out + (window * queries * heads + head) * dim,
                               static_cast<std::size_t>(heads * dim), scratch);
        }
    });
}

}  // namespace

bool has_host_attention() {
#if defined(__x86_64__)
    static bool const has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    return has;
#else
    return false;
#endif
}

bool takes_host_attention(at::Tensor const& q, at::Tensor const& k, at::Tensor const& v) {
    auto const type = q.scalar_type();
    bool const in_rows = q.stride(3) == 1 && k.stride(3) == 1 && v.stride(3) == 1;
    return q.is_cpu() && (type == at::kFloat || type == at::kBFloat16) && in_rows &&
           q.size(3) % static_cast<std::int64_t>(kLanes) == 0;
}

at::Tensor host_attention(at::Tensor const& q, at::Tensor const& k, at::Tensor const& v) {
    ensure(takes_host_attention(q, k, v) && k.sizes() == v.sizes() && q.scalar_type() == k.scalar_type() &&
               q.scalar_type() == v.scalar_type() && q.size(0) == k.size(0) && q.size(1) == k.size(1) &&
               q.size(3) == k.size(3) && k.size(2) > 0,
           "host_attention: the tensors do not fit together");
    auto out = at::empty({q.size(0) * q.size(2), q.size(1) * q.size(3)}, q.options());
    if (q.scalar_type() == at::kFloat)
        attend(q, k, v, out.mutable_data_ptr<float>());
    else
        attend(q, k, v, static_cast<std::uint16_t*>(out.mutable_data_ptr()));
    return out;
}

}  // namespace mpira::model
