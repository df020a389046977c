#include "focus_forward.hpp"

#include <algorithm>
#include <numeric>

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/linear.h>

#include "get_block.hpp"

namespace mpira::model {
namespace {

// Rows embedded at once when the table is shared: fixed, because it can move bits.
constexpr std::int64_t kSharedRows = 1024;

}  // namespace

FocusForward::FocusForward(Predictor::State const& model, TableRows const& table,
                           InsertionOptions const& options)
    : model_(&model), table_(&table), options_(options) {
    if (model_->script) return;
    auto const& get = model_->get;
    for (auto const& block : get.blocks) qkv_bias_.push_back(qkv_bias(block));
    auto const bytes = static_cast<std::int64_t>(c10::elementSize(model_->type));
    shared_bytes_ = (table_->places() + 1) * 4 * get.config().dim * bytes;
    if (options_.shared_embedding && shared_bytes_ <= options_.shared_embedding_bytes) share_embedding();
}

void FocusForward::share_embedding() {
    auto const& get = model_->get;
    auto const dim = get.config().dim;
    auto const regions = table_->places();
    auto const like = at::TensorOptions(model_->type).device(model_->device);
    table_tokens_ = at::empty({regions + 1, dim}, like);
    table_qkv_ = at::empty({regions + 1, 3 * dim}, like);
    auto const put = [&](std::int64_t first, at::Tensor const& tokens) {
        table_tokens_.narrow(0, first, tokens.size(0)).copy_(tokens);
        table_qkv_.narrow(0, first, tokens.size(0))
            .copy_(at::linear(first_norm(0, tokens), get.blocks[0].qkv_weight, qkv_bias_[0]));
    };
    std::vector<std::int64_t> block;
    for (std::int64_t first = 0; first < regions; first += kSharedRows) {
        block.resize(static_cast<std::size_t>(std::min(kSharedRows, regions - first)));
        std::iota(block.begin(), block.end(), first);
        put(first, get.embed(table_->rows(block).to(model_->type)));
    }
    put(regions, get.cls_token.view({1, dim}));
    auto const most = std::max(options_.micro_batch, options_.uninserted_batch) * (options_.window + 1);
    z_ = at::empty({most, dim}, like);
    qkv_ = at::empty({most, 3 * dim}, like);
}

at::Tensor FocusForward::windows(std::span<std::int64_t const> starts, at::Tensor const& focus_rows) {
    auto const features = model_->get.config().features;
    auto const batch = static_cast<std::int64_t>(starts.size());
    std::vector<std::int64_t> regions;
    regions.reserve(static_cast<std::size_t>(batch * options_.window));
    for (auto const start : starts) {
        for (std::int64_t r = 0; r < options_.window; ++r) regions.push_back(start + r);
    }
    if (!x_.defined()) {
        auto const most = std::max(options_.micro_batch, options_.uninserted_batch) * options_.window;
        x_ = at::empty({most, features}, at::TensorOptions(at::kFloat).device(model_->device));
    }
    auto rows = x_.narrow(0, 0, batch * options_.window);
    table_->read(regions, rows);
    auto const x = rows.view({batch, options_.window, features});
    x.select(1, options_.focus).copy_(focus_rows);
    return x.to(model_->type);
}

at::Tensor FocusForward::plain(std::span<std::int64_t const> starts, at::Tensor const& focus_rows) {
    auto const out = model_->forward(windows(starts, focus_rows));  // (B, R, T)
    return out.select(1, options_.focus).to(at::kFloat);
}

at::Tensor FocusForward::first_norm(std::size_t block, at::Tensor const& z) const {
    auto const& weights = model_->get.blocks[block];
    return layer_norm(z, weights.norm1_weight, weights.norm1_bias, model_->get.config().eps);
}

at::Tensor FocusForward::at_focus(at::Tensor const& tokens) const {
    return tokens.narrow(1, 1 + options_.focus, 1);  // token 0 is CLS
}

FocusForward::Projections FocusForward::gather(std::span<std::int64_t const> starts,
                                               at::Tensor const& focus_rows, at::Tensor& z) {
    auto const& get = model_->get;
    auto const dim = get.config().dim;
    auto const batch = static_cast<std::int64_t>(starts.size());
    auto const tokens = options_.window + 1;
    std::vector<std::int64_t> sources;
    sources.reserve(starts.size() * static_cast<std::size_t>(tokens));
    for (auto const start : starts) {
        sources.push_back(table_->places());  // CLS
        for (std::int64_t r = 0; r < options_.window; ++r) sources.push_back(start + r);
    }
    auto const index = index_tensor(sources, model_->device);
    auto z_rows = z_.narrow(0, 0, batch * tokens);
    auto qkv_rows = qkv_.narrow(0, 0, batch * tokens);
    at::index_select_out(z_rows, table_tokens_, 0, index);
    at::index_select_out(qkv_rows, table_qkv_, 0, index);
    z = z_rows.view({batch, tokens, dim});
    auto const qkv = qkv_rows.view({batch, tokens, 3 * dim});
    auto const changed = get.embed(focus_rows.to(model_->type)).unsqueeze(1);  // (B, 1, D)
    at_focus(z).copy_(changed);
    at_focus(qkv).copy_(at::linear(first_norm(0, changed), get.blocks[0].qkv_weight, qkv_bias_[0]));
    return {qkv.narrow(2, 0, dim), qkv.narrow(2, dim, dim), qkv.narrow(2, 2 * dim, dim)};
}

FocusForward::Projections FocusForward::project(std::size_t block, at::Tensor const& z) const {
    auto const dim = model_->get.config().dim;
    auto const qkv = at::linear(first_norm(block, z), model_->get.blocks[block].qkv_weight, qkv_bias_[block]);
    return {qkv.narrow(2, 0, dim), qkv.narrow(2, dim, dim), qkv.narrow(2, 2 * dim, dim)};
}

FocusForward::Projections FocusForward::project_focus(std::size_t block, at::Tensor const& z) const {
    auto const dim = model_->get.config().dim;
    auto const& weight = model_->get.blocks[block].qkv_weight;
    auto const& bias = qkv_bias_[block];
    auto const h = first_norm(block, z);
    auto const kv = at::linear(h, weight.narrow(0, dim, 2 * dim), bias.narrow(0, dim, 2 * dim));
    auto const q = at::linear(at_focus(h), weight.narrow(0, 0, dim), bias.narrow(0, 0, dim));
    return {q, kv.narrow(2, 0, dim), kv.narrow(2, dim, dim)};
}

at::Tensor FocusForward::residuals(std::size_t block, at::Tensor const& z, Projections const& p) const {
    auto const& weights = model_->get.blocks[block];
    auto const heads = model_->get.config().heads;
    auto const mixed =
        attend(weights, split_heads(p.q, heads), split_heads(p.k, heads), split_heads(p.v, heads));
    auto const after = mixed.add_(z);  // attend's result is ours to write to
    return after.add(mlp(weights, after, model_->get.config().eps));
}

at::Tensor FocusForward::run(std::span<std::int64_t const> starts, at::Tensor const& focus_rows) {
    auto const& get = model_->get;
    bool const share = shares_embedding();
    if (model_->script || (!share && !options_.one_query)) return plain(starts, focus_rows);

    at::Tensor z;  // (B, N, D)
    Projections first;
    if (share) {
        first = gather(starts, focus_rows, z);
    } else {
        auto const batch = static_cast<std::int64_t>(starts.size());
        z = at::cat(
            {get.cls_token.expand({batch, 1, get.config().dim}), get.embed(windows(starts, focus_rows))}, 1);
    }
    auto const last = get.blocks.size() - 1;
    for (std::size_t block = 0; block <= last; ++block) {
        bool const focus_only = options_.one_query && block == last;
        Projections p;
        if (share && block == 0) {
            p = first;
            if (focus_only) p.q = at_focus(p.q);
        } else {
            p = focus_only ? project_focus(block, z) : project(block, z);
        }
        z = residuals(block, focus_only ? at_focus(z) : z, p);
    }
    auto const focus = options_.one_query ? z : at_focus(z);
    return get.head(focus).squeeze(1).to(at::kFloat);
}

}  // namespace mpira::model
