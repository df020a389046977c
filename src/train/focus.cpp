#include "mpira/train/focus.hpp"

#include <algorithm>

#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include "mpira/base/error.hpp"

#include "flat_gradients.hpp"
#include "torch_errors.hpp"

namespace mpira::train {

using genome::PlaceRange;

std::vector<FocusWindow> focus_windows(std::span<PlaceRange const> runs, std::uint64_t window) {
    ensure(window > 0, "a window without regions");
    std::vector<FocusWindow> windows;
    for (auto const [a, z] : runs) {
        auto const length = std::min(window, z - a);
        for (auto place = a; place < z; ++place) {
            auto const before = std::min(place - a, window / 2);
            auto const first = std::min(place - before, z - length);
            windows.push_back({.window = {first, first + length}, .focus = place - first});
        }
    }
    return windows;
}

std::vector<float> predict_at_focus(comm::CommView comm,
                                    std::function<at::Tensor(at::Tensor const&)> const& forward,
                                    TrainingTable const& table, std::span<PlaceRange const> runs,
                                    std::uint64_t window, std::uint64_t micro_batch) {
    auto const all = focus_windows(runs, window);
    // Cut into batches before they are shared out: a batch's bits depend on its size, and so nothing here on
    // the number of ranks.
    std::vector<std::uint64_t> lengths;
    for (auto const& each : all) lengths.push_back(each.window.size());
    std::vector<Pass> batches;
    append_passes(batches, lengths, 0, all.size(), micro_batch, 0);
    auto const share = part_of(batches.size(), comm.rank(), comm.size());
    auto const width = static_cast<std::int64_t>(table.motifs()) + 1;
    std::vector<float> out(all.size() * table.outputs, 0.0F);
    auto const predict_mine = [&] {
        c10::InferenceMode const no_graph;
        for (auto const& batch : std::span(batches).subspan(share.first, share.size())) {
            auto const first = batch.first;
            auto const end = batch.end;
            auto const regions = lengths[first];
            auto const inputs =
                at::empty({static_cast<std::int64_t>(end - first), static_cast<std::int64_t>(regions), width},
                          at::kFloat);
            auto const each = regions * static_cast<std::size_t>(width);
            for (auto i = first; i < end; ++i) {
                table.read_inputs(all[i].window,
                                  {inputs.mutable_data_ptr<float>() + (i - first) * each, each});
            }
            auto const result = forward(inputs).to(at::kCPU, at::kFloat).contiguous();
            ensure(result.numel() == static_cast<std::int64_t>((end - first) * regions * table.outputs),
                   "a prediction of another shape");
            auto const* values = result.const_data_ptr<float>();
            for (auto i = first; i < end; ++i) {
                std::copy_n(values + ((i - first) * regions + all[i].focus) * table.outputs, table.outputs,
                            out.begin() + static_cast<std::ptrdiff_t>(i * table.outputs));
            }
        }
    };
    comm::everywhere(comm, [&] { with_plain_errors(predict_mine); });
    if (comm.size() > 1) comm.all_sum(std::span<float>(out));
    return out;
}

}  // namespace mpira::train
