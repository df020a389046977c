#include "focus_forward.hpp"

#include <algorithm>

#include <ATen/ops/add.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/index_select.h>

namespace mpira::model {
namespace {

// Rows embedded at once when the table is shared: fixed, because it can move bits.
constexpr std::int64_t kSharedRows = 1024;

}  // namespace

FocusForward::FocusForward(Predictor::State const& model, TableRows const& table,
                           InsertionOptions const& options)
    : model_(&model), table_(&table), options_(options) {
    auto const most = std::max(options_.micro_batch, options_.uninserted_batch);
    auto const index = at::TensorOptions(at::kLong).device(model_->device);
    steps_ = at::arange(options_.window, index);
    if (model_->script) return;
    encoder_.emplace(model_->full, model_->type, options_.one_query, model_->compute.products,
                     model_->compute.any_order);
    auto const tokens = options_.window + 1;
    focus_ = at::arange(most, index).mul(tokens).add(1 + options_.focus);  // token 0 is CLS
    auto const bytes = static_cast<std::int64_t>(c10::elementSize(model_->type));
    shared_bytes_ = (table_->places() + 1) * 4 * model_->get.config().dim * bytes;
    if (!options_.shared_embedding || shared_bytes_ > options_.shared_embedding_bytes) return;
    share_embedding();
    sources_ = at::full({most, tokens}, table_->places(), index);
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
        table_qkv_.narrow(0, first, tokens.size(0)).copy_(encoder_->first_projections(tokens));
    };
    auto const index = steps_.options();
    for (std::int64_t first = 0; first < regions; first += kSharedRows) {
        auto const block = at::arange(first, std::min(first + kSharedRows, regions), index);
        put(first, get.embed(table_->rows(block).to(model_->type)));
    }
    put(regions, get.cls_token.view({1, dim}));
    auto const most = std::max(options_.micro_batch, options_.uninserted_batch) * (options_.window + 1);
    z_ = at::empty({most, dim}, like);
    qkv_ = at::empty({most, 3 * dim}, like);
}

at::Tensor FocusForward::windows(at::Tensor const& starts, at::Tensor const& focus_rows) {
    auto const features = model_->get.config().features;
    auto const batch = starts.numel();
    if (!x_.defined()) {
        auto const most = std::max(options_.micro_batch, options_.uninserted_batch) * options_.window;
        x_ = at::empty({most, features}, at::TensorOptions(at::kFloat).device(model_->device));
    }
    auto rows = x_.narrow(0, 0, batch * options_.window);
    table_->read(starts.unsqueeze(1).add(steps_).flatten(), rows);
    auto const x = rows.view({batch, options_.window, features});
    x.select(1, options_.focus).copy_(focus_rows);
    return x.to(model_->type);
}

at::Tensor FocusForward::plain(at::Tensor const& starts, at::Tensor const& focus_rows) {
    auto const out = model_->forward(windows(starts, focus_rows));  // (B, R, T)
    return out.select(1, options_.focus).to(at::kFloat);
}

std::pair<at::Tensor, at::Tensor> FocusForward::gather(at::Tensor const& starts,
                                                       at::Tensor const& focus_rows) {
    auto const& get = model_->get;
    auto const dim = get.config().dim;
    auto const batch = starts.numel();
    auto const tokens = options_.window + 1;
    auto const sources = sources_.narrow(0, 0, batch);
    auto regions = sources.narrow(1, 1, options_.window);  // before it: CLS
    at::add_out(regions, starts.unsqueeze(1), steps_);
    auto const index = sources.view({-1});
    auto z_rows = z_.narrow(0, 0, batch * tokens);
    auto qkv_rows = qkv_.narrow(0, 0, batch * tokens);
    at::index_select_out(z_rows, table_tokens_, 0, index);
    at::index_select_out(qkv_rows, table_qkv_, 0, index);
    auto const z = z_rows.view({batch, tokens, dim});
    auto const qkv = qkv_rows.view({batch, tokens, 3 * dim});
    auto const changed = get.embed(focus_rows.to(model_->type));  // (B, D)
    z.select(1, 1 + options_.focus).copy_(changed);
    qkv.select(1, 1 + options_.focus).copy_(encoder_->first_projections(changed));
    return {z, qkv};
}

at::Tensor FocusForward::run(at::Tensor const& starts, at::Tensor const& focus_rows) {
    bool const share = shares_embedding();
    if (!encoder_ || (!share && !options_.one_query)) return plain(starts, focus_rows);
    auto const& get = model_->get;
    auto const batch = starts.numel();
    auto const focus = focus_.narrow(0, 0, batch);
    if (share) {
        auto const [z, qkv] = gather(starts, focus_rows);
        return encoder_->read(z, qkv, focus);
    }
    auto const z = at::cat(
        {get.cls_token.expand({batch, 1, get.config().dim}), get.embed(windows(starts, focus_rows))}, 1);
    return encoder_->read(z, {}, focus);
}

}  // namespace mpira::model
