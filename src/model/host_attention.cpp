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
          dim(head_dim),
          key_vectors(vectors_of(keys)),
          dim_vectors(dim / kLanes),
          memory(at::empty({static_cast<std::int64_t>(kLanes * (dim * key_vectors + keys * dim_vectors +
                                                                kLanes * dim_vectors +
                                                                kQueries * (2 * dim_vectors + key_vectors)))},
                           at::kFloat)) {
        auto* next = reinterpret_cast<Vector*>(memory.mutable_data_ptr<float>());
        auto const take = [&](std::size_t vectors) { return std::exchange(next, next + vectors); };
        k_by_value = take(dim * key_vectors);
        v = take(keys * dim_vectors);
        q = take(kQueries * dim_vectors);
        scores = take(kQueries * key_vectors);
        out = take(kQueries * dim_vectors);
        rows = take(kLanes * dim_vectors);
        memory.zero_();
        for (std::size_t lane = 0; lane < kLanes; ++lane)
            is_key[lane] = (key_vectors - 1) * kLanes + lane < keys ? 1 : 0;
    }

    std::size_t keys, dim, key_vectors, dim_vectors;
    at::Tensor memory;
    Vector* k_by_value;  // (d, keys)
    Vector* v;           // (keys, d)
    Vector* q;           // (kQueries, d), times 1 / sqrt(d)
    Vector* scores;      // (kQueries, keys)
    Vector* out;         // (kQueries, d)
    Vector* rows;        // (kLanes, d)
    Integers is_key{};   // of the last vector of keys
};

float* floats(Vector* vectors) {
    return reinterpret_cast<float*>(vectors);
}

/// c (kQueries, kVectors) = a (kQueries, depth) b (depth, kVectors); strides in elements of each.
template <std::size_t kVectors>
[[gnu::always_inline]] inline void multiply(float const* a, std::size_t a_stride, Vector const* b,
                                            std::size_t b_stride, std::size_t depth, Vector* c,
                                            std::size_t c_stride) {
    Vector sums[kQueries][kVectors] = {};
    for (std::size_t i = 0; i < depth; ++i) {
#pragma GCC unroll 8
        for (std::size_t r = 0; r < kQueries; ++r) {
#pragma GCC unroll 2
            for (std::size_t n = 0; n < kVectors; ++n)
                sums[r][n] += a[r * a_stride + i] * b[i * b_stride + n];
        }
    }
#pragma GCC unroll 8
    for (std::size_t r = 0; r < kQueries; ++r) {
#pragma GCC unroll 2
        for (std::size_t n = 0; n < kVectors; ++n) c[r * c_stride + n] = sums[r][n];
    }
}

/// All columns of b, two vectors at a time. Of its own name in a profile: perf/profile counts it as a
/// product.
MPIRA_CLONES void multiply_all(float const* a, std::size_t a_stride, Vector const* b, std::size_t vectors,
                               std::size_t depth, Vector* c) {
    std::size_t n = 0;
    for (; n + 2 <= vectors; n += 2) multiply<2>(a, a_stride, b + n, vectors, depth, c + n, vectors);
    if (n < vectors) multiply<1>(a, a_stride, b + n, vectors, depth, c + n, vectors);
}

/// x = e^x for x <= 0, by a power of 2 and a polynomial of degree 7, whose rest is below a float's rounding;
/// below -87, where a float ends, e^-87. A NaN stays one.
[[gnu::always_inline]] inline void exponentiate(Vector& x) {
    x = x < -87.0F ? Vector{} - 87.0F : x;
    Integers const n = __builtin_convertvector(x * 1.44269504F - 0.5F, Integers);
    Vector const whole = __builtin_convertvector(n, Vector);
    Vector const f = (x - whole * 0.693359375F) + whole * 2.12194440e-4F;
    Vector sum = f * (1.0F / 5040) + 1.0F / 720;
    sum = sum * f + 1.0F / 120;
    sum = sum * f + 1.0F / 24;
    sum = sum * f + 1.0F / 6;
    sum = sum * f + 0.5F;
    sum = sum * f + 1.0F;
    sum = sum * f + 1.0F;
    x = sum * __builtin_bit_cast(Vector, (n + 127) << 23);
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

/// Scores of one query -> e^(score - largest), 0 where the last vector's `is_key` is 0; returns their sum.
[[gnu::always_inline]] inline float weigh(Vector* scores, std::size_t vectors, Integers const& is_key) {
    auto& last = scores[vectors - 1];
    last = is_key != 0 ? last : Vector{} - std::numeric_limits<float>::infinity();
    Vector most = scores[0];
    for (std::size_t n = 1; n < vectors; ++n) most = scores[n] > most ? scores[n] : most;
    float const largest = joined(most, [](Vector& a, Vector const& b) { a = b > a ? b : a; });
    Vector sums{};
    for (std::size_t n = 0; n < vectors; ++n) {
        scores[n] -= largest;
        exponentiate(scores[n]);
        if (n + 1 == vectors) last = is_key != 0 ? last : Vector{};
        sums += scores[n];
    }
    return joined(sums, [](Vector& a, Vector const& b) { a += b; });
}

/// rows (kLanes, dim) -> columns, one vector each.
MPIRA_CLONES void turn(float const* rows, std::size_t dim, Vector* columns, std::size_t stride) {
    for (std::size_t c = 0; c < dim; ++c) {
        Vector column{};
#pragma GCC unroll 16
        for (std::size_t lane = 0; lane < kLanes; ++lane) column[lane] = rows[lane * dim + c];
        columns[c * stride] = column;
    }
}

/// q -> out, all kQueries of them.
MPIRA_CLONES void attend_queries(Scratch& at) {
    multiply_all(floats(at.q), at.dim, at.k_by_value, at.key_vectors, at.dim, at.scores);
    float sums[kQueries];
    for (std::size_t r = 0; r < kQueries; ++r)
        sums[r] = weigh(at.scores + r * at.key_vectors, at.key_vectors, at.is_key);
    multiply_all(floats(at.scores), at.key_vectors * kLanes, at.v, at.dim_vectors, at.keys, at.out);
    for (std::size_t r = 0; r < kQueries; ++r) {
        for (std::size_t n = 0; n < at.dim_vectors; ++n) at.out[r * at.dim_vectors + n] *= 1 / sums[r];
    }
}

void read(float const* from, std::size_t count, float* to) {
    std::memcpy(to, from, count * sizeof(float));
}
void read(std::uint16_t const* from, std::size_t count, float* to) {
    widen(from, count, to);
}
void write(float const* from, std::size_t count, float* to) {
    std::memcpy(to, from, count * sizeof(float));
}
void write(float const* from, std::size_t count, std::uint16_t* to) {
    narrow(from, count, to);
}

/// Rows of one window and head.
template <typename Value>
struct Rows {
    Value const* first;
    std::int64_t stride;

    Rows(at::Tensor const& all, std::int64_t window, std::int64_t head)
        : first(static_cast<Value const*>(all.const_data_ptr()) + window * all.stride(0) +
                head * all.stride(1)),
          stride(all.stride(2)) {}
    [[nodiscard]] Value const* operator[](std::size_t row) const {
        return first + static_cast<std::int64_t>(row) * stride;
    }
};

template <typename Value>
void attend_head(Rows<Value> q, std::size_t queries, Rows<Value> k, Rows<Value> v, Value* out,
                 std::size_t out_stride, Scratch& at) {
    auto const dim = at.dim;
    for (std::size_t j = 0; j < at.keys; ++j) read(v[j], dim, floats(at.v) + j * dim);
    for (std::size_t group = 0; group < at.key_vectors; ++group) {
        auto const first = group * kLanes;
        auto const count = std::min(kLanes, at.keys - first);
        for (std::size_t j = 0; j < count; ++j) read(k[first + j], dim, floats(at.rows) + j * dim);
        turn(floats(at.rows), dim, at.k_by_value + group, at.key_vectors);
    }
    auto const scale = 1 / std::sqrt(static_cast<float>(dim));
    for (std::size_t first = 0; first < queries; first += kQueries) {
        auto const count = std::min(kQueries, queries - first);
        for (std::size_t r = 0; r < count; ++r) read(q[first + r], dim, floats(at.q) + r * dim);
        for (std::size_t n = 0; n < kQueries * at.dim_vectors; ++n)
            at.q[n] *= scale;  // what lies behind the last query is computed for nobody
        attend_queries(at);
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
            attend_head<Value>({q, window, head}, static_cast<std::size_t>(queries), {k, window, head},
                               {v, window, head}, out + (window * queries * heads + head) * dim,
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
