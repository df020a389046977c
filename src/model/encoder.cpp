#include "encoder.hpp"

#include <tuple>
#include <utility>

#include <ATen/Context.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <c10/core/InferenceMode.h>

#include "mpira/base/error.hpp"

#include "get_block.hpp"
#include "normalise.hpp"
#include "wide_product.hpp"

namespace mpira::model {
namespace {

/// Of LibTorch's attentions on a GPU, cuDNN's is the fastest and the one it takes on Hopper; its backward
/// doesn't give the same bits each time (seen from 256 tokens on), nor does LibTorch ask it to.
class CudnnAttention {
public:
    explicit CudnnAttention(bool allowed) : before_(at::globalContext().userEnabledCuDNNSDP()) {
        at::globalContext().setSDPUseCuDNN(allowed);
    }
    ~CudnnAttention() { at::globalContext().setSDPUseCuDNN(before_); }
    CudnnAttention(CudnnAttention const&) = delete;
    CudnnAttention& operator=(CudnnAttention const&) = delete;

private:
    bool before_;
};

}  // namespace

Encoder::Encoder(Get full, at::ScalarType type, bool one_query, bool any_order)
    : full_(std::move(full)), type_(type), one_query_(one_query), any_order_(any_order) {
    ensure(full_.embed_weight.scalar_type() == at::kFloat, "Encoder: the weights are not f32");
    last_shift_ = at::zeros({full_.config().dim}, full_.embed_weight.options());
    for (auto const& block : full_.blocks) {
        // W (w o h + b) + c = (W diag(w)) h + (W b + c): h as `normalise` leaves it.
        auto const with_norm = [&](at::Tensor const& weight, at::Tensor const& bias,
                                   at::Tensor const& norm_weight, at::Tensor const& norm_bias) {
            return std::pair(weight.mul(norm_weight).to(type_),
                             at::matmul(weight, norm_bias).add(bias).to(type_));
        };
        Block own;
        std::tie(own.qkv_weight, own.qkv_bias) =
            with_norm(block.qkv_weight, qkv_bias(block), block.norm1_weight, block.norm1_bias);
        std::tie(own.fc1_weight, own.fc1_bias) =
            with_norm(block.fc1_weight, block.fc1_bias, block.norm2_weight, block.norm2_bias);
        own.proj_weight = block.proj_weight.to(type_);
        own.fc2_weight = block.fc2_weight.to(type_);
        own.shift1 = last_shift_;
        own.shift2 = own.shift1.add(block.proj_bias);
        last_shift_ = own.shift2.add(block.fc2_bias);
        blocks_.push_back(std::move(own));
    }
    rooms_.resize(blocks_.size());
}

at::Tensor const& Encoder::Buffer::take(std::int64_t count, std::int64_t width,
                                        at::TensorOptions const& like) {
    auto const size = count * width;
    if (!all.defined() || all.numel() < size) {
        all = rows = at::Tensor();                 // before its successor is made
        c10::InferenceMode const ordinary(false);  // a later gradient may want it
        all = at::empty({size}, like);
    }
    return rows = all.narrow(0, 0, size).view({count, width});
}

at::Tensor Encoder::heads_of(at::Tensor const& rows, std::int64_t windows, std::int64_t first) const {
    auto const& config = full_.config();
    return rows.narrow(1, first, config.dim)
        .view({windows, rows.size(0) / windows, config.heads, config.head_dim()})
        .transpose(1, 2);
}

at::Tensor Encoder::first_projections(at::Tensor const& tokens) const {
    auto const& block = blocks_.front();
    auto const h = at::empty_like(tokens);
    normalise(tokens, block.shift1, full_.config().eps, h, nullptr);
    return at::addmm(block.qkv_bias, h, block.qkv_weight.t());
}

at::Tensor const& Encoder::normalised(at::Tensor const& z, at::Tensor const& shift, Buffer& h, Buffer& scale,
                                      bool keeps, ReadTokens const* read) const {
    auto const eps = full_.config().eps;
    h.take(z.size(0), z.size(1), like());
    if (keeps) scale.take(z.size(0), 1, like().dtype(at::kFloat));
    auto* const scales = keeps ? &scale.rows : nullptr;
    if (z.scalar_type() == type_) {
        normalise(z, shift, eps, h.rows, scales);
    } else {
        auto const wide = at::empty_like(z);
        normalise(z, shift, eps, wide, scales);
        h.rows.copy_(wide);
    }
    if (read == nullptr || !read->z.defined()) return h.rows;
    auto const own = at::empty_like(read->z);
    auto const own_scale = keeps ? at::empty({own.size(0), 1}, own.options()) : at::Tensor();
    normalise(read->z, shift, eps, own, keeps ? &own_scale : nullptr);
    h.rows.index_copy_(0, read->rows, own.to(type_));
    if (keeps) scale.rows.index_copy_(0, read->rows, own_scale);
    return h.rows;
}

void Encoder::add_branch(at::Tensor const& z, at::Tensor const& branch, at::Tensor const& weight,
                         ReadTokens const* read) {
    add_product(z, branch, weight);
    if (read != nullptr && read->z.defined())
        read->z.add_(wide_product(at::index_select(branch, 0, read->rows), weight));
}

at::Tensor Encoder::rows_of(at::Tensor const& by_head) {
    return by_head.transpose(1, 2).reshape(
        {by_head.size(0) * by_head.size(2), by_head.size(1) * by_head.size(3)});
}

at::Tensor Encoder::mix(Room& room, bool keeps) const {
    CudnnAttention const choice(any_order_);
    at::Tensor mixed;  // (B, heads, Nq, d)
    if (keeps) {
        c10::AutoGradMode const recorded(true);
        for (auto* const leaf : {&room.q, &room.k, &room.v}) *leaf = leaf->detach().requires_grad_(true);
        room.mixed = at::scaled_dot_product_attention(room.q, room.k, room.v);
        mixed = room.mixed.detach();
    } else {
        mixed = at::scaled_dot_product_attention(room.q, room.k, room.v);
    }
    return rows_of(mixed);
}

void Encoder::add_attention(std::size_t block, at::Tensor const& z, at::Tensor const& qkv, Room& room,
                            ReadTokens const& read, bool keeps) const {
    auto const dim = z.size(1);
    auto const windows = read.rows.numel();
    room.q = heads_of(qkv, windows, 0);
    room.k = heads_of(qkv, windows, dim);
    room.v = heads_of(qkv, windows, 2 * dim);
    add_branch(z, mix(room, keeps), blocks_[block].proj_weight, &read);
}

void Encoder::add_feed_forward(std::size_t block, at::Tensor const& z, Room& room, ReadTokens const* read,
                               bool keeps) {
    auto const& weights = blocks_[block];
    auto const& h = normalised(z, weights.shift2, room.h2, room.scale2, keeps, read);
    auto hidden = room.hidden.take(z.size(0), weights.fc1_weight.size(0), like());
    at::addmm_out(hidden, weights.fc1_bias, h, weights.fc1_weight.t());
    auto active = keeps ? active_.take(hidden.size(0), hidden.size(1), like()) : hidden;
    at::gelu_out(active, hidden);  // exact (erf)
    add_branch(z, active, weights.fc2_weight, read);
}

at::Tensor Encoder::read_by_last_block(at::Tensor const& z, at::Tensor const& first_qkv, Room& room,
                                       ReadTokens const& read, bool keeps) {
    auto const block = blocks_.size() - 1;
    auto const& weights = blocks_[block];
    auto const dim = z.size(1);
    auto const windows = read.rows.numel();
    at::Tensor q;  // (B, D)
    if (first_qkv.defined()) {
        q = at::index_select(first_qkv.narrow(1, 0, dim), 0, read.rows);
        room.k = heads_of(first_qkv, windows, dim);
        room.v = heads_of(first_qkv, windows, 2 * dim);
    } else {
        auto const& h = normalised(z, weights.shift1, room.h1, room.scale1, keeps, &read);
        auto kv = room.qkv.take(z.size(0), 2 * dim, like());
        at::addmm_out(kv, weights.qkv_bias.narrow(0, dim, 2 * dim), h,
                      weights.qkv_weight.narrow(0, dim, 2 * dim).t());
        q = at::addmm(weights.qkv_bias.narrow(0, 0, dim), at::index_select(h, 0, read.rows),
                      weights.qkv_weight.narrow(0, 0, dim).t());
        room.k = heads_of(kv, windows, 0);
        room.v = heads_of(kv, windows, dim);
    }
    room.q = heads_of(q, windows, 0);
    auto tokens = tokens_at(z, read);
    add_branch(tokens, mix(room, keeps), weights.proj_weight, nullptr);
    add_feed_forward(block, tokens, room, nullptr, keeps);
    return tokens;
}

at::Tensor Encoder::tokens_at(at::Tensor const& z, ReadTokens const& read) {
    return read.z.defined() ? read.z : at::index_select(z, 0, read.rows);
}

at::Tensor Encoder::final_tokens(at::Tensor const& z, at::Tensor const& first_qkv, at::Tensor const& focus,
                                 Tap* tap, bool keeps) {
    auto const dim = z.size(2);
    ensure(z.is_contiguous() && z.scalar_type() == type_ && focus.numel() == z.size(0),
           "Encoder: the tokens or the focus do not have the shape or type asked for");
    auto const rows = z.view({-1, dim});
    auto const qkv_of_first = first_qkv.defined() ? first_qkv.view({-1, 3 * dim}) : first_qkv;
    ReadTokens read{focus, {}};
    if (type_ != at::kFloat) read.z = at::index_select(rows, 0, focus).to(at::kFloat);
    auto const tap_at = [&](std::size_t layer, at::Tensor const& shift) {
        if (tap != nullptr && tap->layer == static_cast<std::int64_t>(layer))
            tap->tokens = tokens_at(rows, read).to(at::kFloat).add(shift);
    };
    tap_at(0, blocks_.front().shift1);
    auto const depth = blocks_.size();
    for (std::size_t i = 0; i < depth; ++i) {
        auto& room = rooms_[keeps ? i : 0];
        auto qkv = i == 0 ? qkv_of_first : at::Tensor();
        if (i + 1 == depth && one_query_) {
            auto const tokens = read_by_last_block(rows, qkv, room, read, keeps);
            read.z = tokens;
        } else {
            if (!qkv.defined()) {
                auto const& weights = blocks_[i];
                auto const& h = normalised(rows, weights.shift1, room.h1, room.scale1, keeps, &read);
                qkv = room.qkv.take(rows.size(0), 3 * dim, like());
                at::addmm_out(qkv, weights.qkv_bias, h, weights.qkv_weight.t());
            }
            add_attention(i, rows, qkv, room, read, keeps);
            add_feed_forward(i, rows, room, &read, keeps);
        }
        tap_at(i + 1, i + 1 == depth ? last_shift_ : blocks_[i + 1].shift1);
    }
    return tokens_at(rows, read);
}

at::Tensor Encoder::head(at::Tensor const& tokens) const {
    return full_.head(tokens.to(at::kFloat).add(last_shift_));
}

at::Tensor Encoder::read(at::Tensor const& z, at::Tensor const& first_qkv, at::Tensor const& focus,
                         Tap* tap) {
    auto const tokens = final_tokens(z, first_qkv, focus, tap, false);
    if (tap != nullptr && tap->layer == static_cast<std::int64_t>(blocks_.size()) + 1)
        tap->tokens = layer_norm(tokens.to(at::kFloat).add(last_shift_), full_.norm_weight, full_.norm_bias,
                                 full_.config().eps);
    return head(tokens);
}

}  // namespace mpira::model
