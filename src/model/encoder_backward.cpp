// The gradient at the tokens before block 1, block by block. Only the attention's part is autograd's:
// LibTorch's fused kernels keep what they need there.
#include <ATen/ops/gather.h>
#include <ATen/ops/gelu_backward.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include "mpira/model/in_order.hpp"

#include "encoder.hpp"
#include "normalise.hpp"

namespace mpira::model {

at::Tensor Encoder::head_gradient(at::Tensor const& tokens, at::Tensor const& output,
                                  at::Tensor* predicted) const {
    c10::AutoGradMode const recorded(true);
    auto const leaf = tokens.detach().to(at::kFloat, false, true).requires_grad_(true);
    auto const out = head(leaf);  // (B, T)
    if (predicted != nullptr) *predicted = out.detach();
    return torch::autograd::grad({at::gather(out, 1, output).sum()}, {leaf})[0].to(type_);
}

void Encoder::prepare_backward() {
    if (!backward_.empty()) return;
    auto const dim = full_.config().dim;
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
        auto const& own = blocks_[i];
        auto const weights = own.qkv.plain_weight().defined() ? FullWeights{.qkv = own.qkv.plain_weight(),
                                                                            .qkv_bias = {},
                                                                            .proj = own.proj.plain_weight(),
                                                                            .fc1 = own.fc1.plain_weight(),
                                                                            .fc1_bias = {},
                                                                            .fc2 = own.fc2.plain_weight()}
                                                              : full_weights(i);
        auto const back = [&](at::Tensor const& weight) { return map(weight.t()); };
        backward_.push_back({.q = back(weights.qkv.narrow(0, 0, dim)),
                             .k = back(weights.qkv.narrow(0, dim, dim)),
                             .v = back(weights.qkv.narrow(0, 2 * dim, dim)),
                             .proj = back(weights.proj),
                             .fc1 = back(weights.fc1),
                             .fc2 = back(weights.fc2)});
    }
}

void Encoder::feed_forward_backward(std::size_t block, at::Tensor const& gradient, Room const& room) {
    auto const& maps = backward_[block];
    auto hidden = maps.fc2.apply(gradient, hidden_gradient_);
    at::gelu_backward_out(hidden, hidden, room.hidden.rows);
    add_normalise_backward(maps.fc1.apply(hidden, row_gradient_), room.h2.rows, room.scale2.rows, gradient);
}

std::vector<at::Tensor> Encoder::mix_backward(Room& room, at::Tensor const& gradient) const {
    InOrder const order(in_order_);
    auto parts = torch::autograd::grad({room.mixed}, {room.q, room.k, room.v}, {gradient});
    room.mixed.reset();
    return parts;
}

void Encoder::attention_backward(std::size_t block, at::Tensor const& gradient, Room& room,
                                 std::int64_t windows) {
    auto const& maps = backward_[block];
    auto const parts = mix_backward(room, heads_of(maps.proj.apply(gradient, row_gradient_), windows, 0));
    auto dh = maps.q.apply(rows_of(parts[0]), row_gradient_);
    dh = maps.k.added_to(dh, rows_of(parts[1]));
    dh = maps.v.added_to(dh, rows_of(parts[2]));
    add_normalise_backward(dh, room.h1.rows, room.scale1.rows, gradient);
}

at::Tensor Encoder::last_block_backward(at::Tensor const& gradient, at::Tensor const& focus, Room& room,
                                        std::int64_t windows) {
    auto const block = blocks_.size() - 1;
    auto const& maps = backward_[block];
    auto const dim = gradient.size(1);
    feed_forward_backward(block, gradient, room);
    Buffer own;
    auto const parts = mix_backward(room, heads_of(maps.proj.apply(gradient, own), windows, 0));
    auto const rows = room.h1.rows.size(0);
    auto dh = maps.k.apply(rows_of(parts[1]), row_gradient_);
    dh = maps.v.added_to(dh, rows_of(parts[2]));
    dh.index_add_(0, focus, maps.q.apply(rows_of(parts[0]), own));
    auto all = gradient_.take(rows, dim, like());
    all.zero_();
    add_normalise_backward(dh, room.h1.rows, room.scale1.rows, all);
    all.index_add_(0, focus, gradient);
    return all;
}

at::Tensor Encoder::gradient(at::Tensor const& z, at::Tensor const& focus, at::Tensor const& output,
                             at::Tensor* predicted) {
    c10::AutoGradMode const without(false);
    prepare_backward();
    auto const windows = z.size(0);
    auto const read = final_tokens(z, {}, focus, nullptr, true);
    auto const at_read = head_gradient(read, output, predicted);
    auto blocks = blocks_.size();
    at::Tensor all;
    if (one_query_) {
        all = last_block_backward(at_read, focus, rooms_[--blocks], windows);
    } else {
        all = gradient_.take(windows * z.size(1), z.size(2), like());
        all.zero_();
        all.index_copy_(0, focus, at_read);
    }
    while (blocks-- > 0) {
        feed_forward_backward(blocks, all, rooms_[blocks]);
        attention_backward(blocks, all, rooms_[blocks], windows);
    }
    return all.view(z.sizes());
}

}  // namespace mpira::model
