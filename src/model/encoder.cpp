#include "encoder.hpp"

#include <utility>

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include "mpira/base/error.hpp"
#include "mpira/model/in_order.hpp"

#include "get_block.hpp"
#include "host_attention.hpp"
#include "normalise.hpp"

namespace mpira::model {

Encoder::Encoder(Get full, at::ScalarType type, bool one_query, Products products, bool any_order)
    : full_(std::move(full)),
      type_(type),
      one_query_(one_query),
      in_order_(full_.embed_weight.is_cuda() && !any_order),
      products_(products),
      rooms_(full_.blocks.size()) {
    ensure(full_.embed_weight.scalar_type() == at::kFloat, "Encoder: the weights are not f32");
    auto const dim = full_.config().dim;
    last_shift_ = at::zeros({dim}, full_.embed_weight.options());
    for (std::size_t i = 0; i < full_.blocks.size(); ++i) {
        auto const weights = full_weights(i);
        Block own;
        bool const reads = one_query_ && i + 1 == full_.blocks.size();
        if (i == 0 || !reads) own.qkv = map(weights.qkv, weights.qkv_bias);
        own.proj = LinearMap(weights.proj, {}, type_, products_, true);
        own.fc1 = map(weights.fc1, weights.fc1_bias);
        own.fc2 = LinearMap(weights.fc2, {}, type_, products_, true);
        own.shift1 = last_shift_;
        own.shift2 = own.shift1.add(full_.blocks[i].proj_bias);
        last_shift_ = own.shift2.add(full_.blocks[i].fc2_bias);
        blocks_.push_back(std::move(own));
        if (!reads) continue;
        last_q_ = map(weights.qkv.narrow(0, 0, dim), weights.qkv_bias.narrow(0, 0, dim));
        last_kv_ = map(weights.qkv.narrow(0, dim, 2 * dim), weights.qkv_bias.narrow(0, dim, 2 * dim));
    }
}

Encoder::FullWeights Encoder::full_weights(std::size_t block) const {
    auto const& from = full_.blocks[block];
    // W (w o h + b) + c = (W diag(w)) h + (W b + c): h as `normalise` leaves it.
    auto const bias = [](at::Tensor const& weight, at::Tensor const& own, at::Tensor const& norm) {
        return at::matmul(weight, norm).add(own);
    };
    return {.qkv = from.qkv_weight.mul(from.norm1_weight),
            .qkv_bias = bias(from.qkv_weight, qkv_bias(from), from.norm1_bias),
            .proj = from.proj_weight,
            .fc1 = from.fc1_weight.mul(from.norm2_weight),
            .fc1_bias = bias(from.fc1_weight, from.fc1_bias, from.norm2_bias),
            .fc2 = from.fc2_weight};
}

LinearMap Encoder::map(at::Tensor const& weight, at::Tensor const& bias) const {
    return {weight, bias, type_, products_};
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
    Buffer own;
    return block.qkv.apply(h, own);
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

void Encoder::add_branch(at::Tensor& z, at::Tensor const& branch, LinearMap const& map, ReadTokens* read) {
    z = map.added_to(z, branch);
    if (read != nullptr && read->z.defined())
        read->z = map.added_to(read->z, at::index_select(branch, 0, read->rows));
}

at::Tensor Encoder::rows_of(at::Tensor const& by_head) {
    return by_head.transpose(1, 2).reshape(
        {by_head.size(0) * by_head.size(2), by_head.size(1) * by_head.size(3)});
}

at::Tensor Encoder::mix(Room& room, bool keeps) const {
    InOrder const order(in_order_);
    at::Tensor mixed;  // (B, heads, Nq, d)
    if (keeps) {
        c10::AutoGradMode const recorded(true);
        for (auto* const leaf : {&room.q, &room.k, &room.v}) *leaf = leaf->detach().requires_grad_(true);
        room.mixed = at::scaled_dot_product_attention(room.q, room.k, room.v);
        mixed = room.mixed.detach();
    } else if (has_host_attention() && takes_host_attention(room.q, room.k, room.v)) {
        return host_attention(room.q, room.k, room.v);
    } else {
        mixed = at::scaled_dot_product_attention(room.q, room.k, room.v);
    }
    return rows_of(mixed);
}

void Encoder::add_attention(std::size_t block, at::Tensor& z, at::Tensor const& qkv, Room& room,
                            ReadTokens& read, bool keeps) const {
    auto const dim = z.size(1);
    auto const windows = read.rows.numel();
    room.q = heads_of(qkv, windows, 0);
    room.k = heads_of(qkv, windows, dim);
    room.v = heads_of(qkv, windows, 2 * dim);
    add_branch(z, mix(room, keeps), blocks_[block].proj, &read);
}

void Encoder::add_feed_forward(std::size_t block, at::Tensor& z, Room& room, ReadTokens* read, bool keeps) {
    auto const& own = blocks_[block];
    auto const& h = normalised(z, own.shift2, room.h2, room.scale2, keeps, read);
    if (!keeps) return add_branch(z, own.fc1.apply_gelu(h, room.hidden), own.fc2, read);
    auto const& hidden = own.fc1.apply(h, room.hidden);
    auto active = active_.take(hidden.size(0), hidden.size(1), like());
    add_branch(z, at::gelu_out(active, hidden), own.fc2, read);
}

at::Tensor Encoder::read_by_last_block(at::Tensor const& z, at::Tensor const& first_qkv, Room& room,
                                       ReadTokens const& read, bool keeps) {
    auto const block = blocks_.size() - 1;
    auto const dim = z.size(1);
    auto const windows = read.rows.numel();
    at::Tensor q;  // (B, D)
    if (first_qkv.defined()) {
        q = at::index_select(first_qkv.narrow(1, 0, dim), 0, read.rows);
        room.k = heads_of(first_qkv, windows, dim);
        room.v = heads_of(first_qkv, windows, 2 * dim);
    } else {
        auto const& h = normalised(z, blocks_[block].shift1, room.h1, room.scale1, keeps, &read);
        auto const& kv = last_kv_.apply(h, room.qkv);
        Buffer own;
        q = last_q_.apply(at::index_select(h, 0, read.rows), own);
        room.k = heads_of(kv, windows, 0);
        room.v = heads_of(kv, windows, dim);
    }
    room.q = heads_of(q, windows, 0);
    auto tokens = tokens_at(z, read);
    add_branch(tokens, mix(room, keeps), blocks_[block].proj, nullptr);
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
    auto rows = z.view({-1, dim});
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
                auto const& own = blocks_[i];
                auto const& h = normalised(rows, own.shift1, room.h1, room.scale1, keeps, &read);
                qkv = own.qkv.apply(h, room.qkv);
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
