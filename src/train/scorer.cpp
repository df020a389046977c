#include "scorer.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <ATen/ops/masked_select.h>
#include <c10/core/InferenceMode.h>

#include "mpira/train/metrics.hpp"
#include "mpira/train/window_plan.hpp"

#include "torch_errors.hpp"

namespace mpira::train {

namespace {

using genome::PlaceRange;

// Where the entries of chunk i are kept: up to where the next chunk of the same run begins.
std::uint64_t end_of(std::span<PlaceRange const> chunks, std::size_t i) {
    auto const next = i + 1;
    if (next < chunks.size() && chunks[next].first > chunks[i].first) {
        return std::min(chunks[i].end, chunks[next].first);
    }
    return chunks[i].end;
}

}  // namespace

at::Tensor forward(model::Network const& network, Batch const& batch,
                   std::optional<model::TrainingDraws> const& draws, Arithmetic const& arithmetic) {
    std::optional<model::Bfloat16Forward> in_bf16;
    std::optional<model::OneDnnForward> by_onednn;
    if (arithmetic.bf16)
        in_bf16.emplace(network.device().type());
    else if (arithmetic.products == model::Products::onednn && network.device().is_cpu())
        by_onednn.emplace();
    return network.forward(batch.inputs, draws, batch.mask);
}

std::vector<std::uint64_t> lengths_of(std::span<PlaceRange const> windows) {
    std::vector<std::uint64_t> lengths;
    lengths.reserve(windows.size());
    for (auto const& window : windows) lengths.push_back(window.size());
    return lengths;
}

Score score_places(TrainingTable const& table, std::span<float const> predicted,
                   std::span<PlaceRange const> runs) {
    std::vector<float> target;
    target.reserve(predicted.size());
    std::vector<std::uint8_t> scored;
    for (auto const& run : runs) {
        for (auto entry = run.first * table.outputs; entry < run.end * table.outputs; ++entry) {
            target.push_back(table.targets[entry]);
            if (!table.scored.empty()) scored.push_back(table.scored[entry]);
        }
    }
    return score_entries(predicted, target, scored, poisson_nll(predicted, target));
}

// A failure of this rank is everyone's: the others wait in the sum that follows.
void Scorer::for_my_passes(std::span<PlaceRange const> chunks,
                           std::function<void(Pass const&)> const& call) const {
    comm::everywhere(parts_.comm, [&] {
        with_plain_errors([&] {
            for (auto const& pass : parts_.engine.scoring_passes(lengths_of(chunks))) call(pass);
        });
    });
}

std::vector<float> Scorer::predict(model::Network const& with, std::span<PlaceRange const> runs) const {
    c10::InferenceMode const no_graph;
    auto const outputs = parts_.table.outputs;
    auto const chunks = scoring_chunks(runs, parts_.window);
    std::vector<std::uint64_t> first_entry;  // of every chunk among the entries of the runs
    std::uint64_t entries = 0;
    for (std::size_t i = 0; i < chunks.size(); ++i) {
        first_entry.push_back(entries);
        entries += (end_of(chunks, i) - chunks[i].first) * outputs;
    }
    std::vector<float> out(entries, 0.0F);
    auto const predict_pass = [&](Pass const& pass) {
        auto const windows = std::span(chunks).subspan(pass.first, pass.size());
        auto const batch = parts_.reader.to_device(parts_.reader.read_to_score(windows, parts_.seed));
        auto const result = forward(with, batch, {}, parts_.arithmetic).to(at::kCPU, at::kFloat).contiguous();
        auto const* values = result.const_data_ptr<float>();
        for (std::size_t i = 0; i < windows.size(); ++i) {
            auto const count = (end_of(chunks, pass.first + i) - windows[i].first) * outputs;
            std::copy_n(values + i * windows[i].size() * outputs, count,
                        out.begin() + static_cast<std::ptrdiff_t>(first_entry[pass.first + i]));
        }
    };
    for_my_passes(chunks, predict_pass);
    if (parts_.comm.size() > 1) parts_.comm.all_sum(std::span<float>(out));  // zeros of the other ranks
    return out;
}

Score Scorer::score(std::span<float const> predicted, std::span<PlaceRange const> runs) const {
    return score_places(parts_.table, predicted, runs);
}

Score Scorer::evaluate(model::Network const& with, std::span<PlaceRange const> runs) const {
    if (with.facts().head == model::HeadKind::masked) return evaluate_masked(with, runs);
    return score(predict(with, runs), runs);
}

Score Scorer::evaluate_masked(model::Network const& with, std::span<PlaceRange const> runs) const {
    c10::InferenceMode const no_graph;
    auto const chunks = scoring_chunks(runs, parts_.window);
    // Sums of a chunk: entries, squared error, p, t, p^2, t^2, p t. Added up in the order of the chunks on
    // every rank, so that the figures don't depend on the number of ranks.
    constexpr std::size_t kSums = 7;
    std::vector<double> sums(chunks.size() * kSums, 0.0);
    auto const score_pass = [&](Pass const& pass) {
        auto const windows = std::span(chunks).subspan(pass.first, pass.size());
        auto const batch = parts_.reader.to_device(parts_.reader.read_to_score(windows, parts_.seed));
        auto const predicted = forward(with, batch, {}, parts_.arithmetic).to(at::kDouble);
        auto const wanted = batch.inputs.to(at::kDouble);
        for (std::size_t i = 0; i < windows.size(); ++i) {
            auto const row = static_cast<std::int64_t>(i);
            auto const count = static_cast<std::int64_t>(end_of(chunks, pass.first + i) - windows[i].first);
            auto const mask = batch.mask[row].narrow(0, 0, count).unsqueeze(-1);
            auto const p = predicted[row].narrow(0, 0, count).masked_select(mask);
            auto const t = wanted[row].narrow(0, 0, count).masked_select(mask);
            std::array<double, kSums> const values{
                static_cast<double>(p.numel()),  p.sub(t).square().sum().item<double>(),
                p.sum().item<double>(),          t.sum().item<double>(),
                p.square().sum().item<double>(), t.square().sum().item<double>(),
                p.mul(t).sum().item<double>()};
            std::copy(values.begin(), values.end(),
                      sums.begin() + static_cast<std::ptrdiff_t>((pass.first + i) * kSums));
        }
    };
    for_my_passes(chunks, score_pass);
    if (parts_.comm.size() > 1) parts_.comm.all_sum(std::span<double>(sums));
    std::array<double, kSums> all{};
    for (std::size_t i = 0; i < sums.size(); ++i) all[i % kSums] += sums[i];
    auto const [n, error, p, t, pp, tt, pt] = all;
    double const spread = (n * pp - p * p) * (n * tt - t * t);
    return {.loss = n > 0 ? error / n : kUndefined,
            .pearson = spread > 0 ? (n * pt - p * t) / std::sqrt(spread) : kUndefined,
            .spearman = kUndefined,
            .r2 = n * tt > t * t ? 1 - error / (tt - t * t / n) : kUndefined,
            .auroc = kUndefined,
            .entries = static_cast<std::uint64_t>(n),
            .pearson_all = kUndefined,
            .spearman_all = kUndefined,
            .r2_all = kUndefined};
}

}  // namespace mpira::train
