// Windows without one of their regions, and the names of the places where tokens are read.
#include <algorithm>
#include <utility>

#include <ATen/ops/cat.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include "mpira/model/jacobian.hpp"

#include "jacobian_state.hpp"
#include "readback.hpp"

namespace mpira::model {
namespace {

/// Rows of the token table that the window without `region` consists of. Row 0 is CLS, row 1 + r is region r,
/// row R + 1 the token of a row of zeros.
void append_sources(Removal how, std::int64_t regions, std::int64_t region,
                    std::vector<std::int64_t>& sources) {
    sources.push_back(0);
    for (std::int64_t r = 0; r < regions; ++r) {
        if (r != region)
            sources.push_back(1 + r);
        else if (how == Removal::zero)
            sources.push_back(1 + regions);
    }
}

}  // namespace

std::string_view name_of(Removal how) {
    return how == Removal::close ? "close" : "zero";
}

std::vector<std::string> embedding_layers(GetConfig const& config) {
    std::vector<std::string> names{"region_embed"};
    for (std::int64_t i = 0; i < config.depth; ++i) names.push_back(fmt::format("encoder.blocks.{}", i));
    names.emplace_back("encoder.norm");
    return names;
}

void JacobianPredictor::remove(JacobianWindow const& window, Removal how,
                               std::span<std::int64_t const> regions, std::span<float> predictions,
                               std::span<float> untouched, std::stop_token stop) {
    auto const& state = *state_;
    auto const& get = state.model.get;
    auto const& config = get.config();
    auto const outputs = static_cast<std::size_t>(config.outputs);
    state.check(window);
    ensure(
        predictions.size() == regions.size() * outputs && (untouched.empty() || untouched.size() == outputs),
        "JacobianPredictor::remove: the spans do not have the shapes asked for");
    ensure(
        std::ranges::all_of(regions, [&](auto r) { return r >= 0 && r < window.size && r != window.focus; }),
        "JacobianPredictor::remove: a region does not exist, or is the one that is read");
    in_torch(state.model.compute, state.options.micro_batch, [&] {
        auto const batch = state.batch_of(std::span(&window, 1), 0);
        auto zero = at::zeros({1, config.features}, batch.x.options());
        if (state.hides_accessibility()) zero.select(1, config.motifs()).fill_(1);
        bool const is_script = state.model.script.has_value();
        auto const cls = is_script ? zero : get.cls_token.view({1, config.dim});  // of a script never read
        auto const tokens = at::cat({cls, state.embed(batch.x).squeeze(0), state.embed(zero)});
        at::Tensor qkv;  // (R + 2, 3 D): block 1 sees each token without its neighbours
        if (state.options.one_query && !is_script) qkv = state.encoder->first_projections(tokens);
        auto const read = [&](std::vector<std::int64_t> const& sources, std::int64_t count,
                              std::vector<std::int64_t> const& focus) {
            auto const index = index_tensor(sources, state.model.device);
            auto const rows = [&](at::Tensor const& all) {
                return at::index_select(all, 0, index).view({count, -1, all.size(1)});
            };
            if (is_script) {
                auto const all = rows(tokens);
                return state.read(all.narrow(1, 1, all.size(1) - 1).contiguous(),
                                  index_tensor(focus, state.model.device));
            }
            return state.encoder->read(rows(tokens), qkv.defined() ? rows(qkv) : at::Tensor(),
                                       index_tensor(focus, state.model.device));
        };
        Readback before;  // of the micro-batch before
        auto const hand_over = [&](at::Tensor const& values, std::size_t first, std::span<float> out) {
            Readback now;
            now.add(values, first, outputs, out);
            now.leave();
            before.take();
            before = std::move(now);
        };
        std::vector<std::int64_t> sources, focus;
        if (!untouched.empty()) {
            append_sources(how, window.size, -1, sources);
            hand_over(read(sources, 1, {1 + window.focus}), 0, untouched);
        }
        auto const width = window.size + (how == Removal::zero ? 1 : 0);  // tokens of a changed window
        auto const micro_batch = static_cast<std::size_t>(state.options.micro_batch);
        for (std::size_t first = 0; first < regions.size(); first += micro_batch) {
            look_at(stop);
            auto const part = regions.subspan(first, std::min(micro_batch, regions.size() - first));
            sources.clear();
            focus.clear();
            for (auto const region : part) {
                auto const begin = std::ssize(focus) * width;
                focus.push_back(begin + 1 + window.focus -
                                (how == Removal::close && region < window.focus ? 1 : 0));
                append_sources(how, window.size, region, sources);
            }
            hand_over(read(sources, std::ssize(part), focus), first, predictions);
        }
        before.take();
    });
}

}  // namespace mpira::model
