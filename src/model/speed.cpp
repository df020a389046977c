#include "mpira/model/speed.hpp"

#include <array>
#include <chrono>
#include <vector>

#include <ATen/ops/matmul.h>
#include <ATen/ops/rand.h>

#include "mpira/base/error.hpp"

#include "linear_map.hpp"
#include "predictor_state.hpp"

namespace mpira::model {

double forward_operations(GetConfig const& config, std::int64_t regions) {
    auto const n = static_cast<double>(regions + 1);  // with CLS
    auto const d = static_cast<double>(config.dim);
    auto const h = static_cast<double>(config.hidden());
    auto const block = 2 * n * (4 * d * d + 2 * d * h) + 4 * n * n * d;
    auto const r = static_cast<double>(regions);
    return static_cast<double>(config.depth) * block +
           2 * r * d * static_cast<double>(config.features + config.outputs);
}

void write_random_weights(std::filesystem::path const& file, GetConfig const& config, std::int64_t regions) {
    ModelCard card;
    card.architecture = config;
    card.window = regions;
    card.focus = regions / 2;
    card.motifs.assign(static_cast<std::size_t>(config.motifs()), "motif");
    card.scales.assign(card.motifs.size(), 1);
    std::vector<at::Tensor> keep;
    write_weights(file, card, views_of(Get(config, 1).parameters(), keep));
}

double product_operations_per_s(GetConfig const& config, std::int64_t windows, std::int64_t regions,
                                Compute const& compute, double seconds) {
    ensure(windows >= 1 && regions >= 1 && seconds > 0, "product_operations_per_s: nothing to do");
    return in_torch(compute, [&] {
        auto const device = compute.device < 0
                                ? at::Device(at::kCPU)
                                : at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(compute.device));
        auto const like = at::TensorOptions(compute.precision == Precision::bf16 ? at::kBFloat16 : at::kFloat)
                              .device(device);
        auto const tokens = windows * (regions + 1);
        auto const d = config.dim;
        auto const hidden = config.hidden();
        auto const wide = at::rand({tokens, d}, like);
        auto const widest = at::rand({tokens, hidden}, like);
        auto const map = [&](std::int64_t out, std::int64_t in) {
            return LinearMap(at::rand({out, in}, like.dtype(at::kFloat)), {}, wide.scalar_type(),
                             compute.products);
        };
        std::array const layers{std::pair(wide, map(3 * d, d)), std::pair(wide, map(d, d)),
                                std::pair(wide, map(hidden, d)), std::pair(widest, map(d, hidden))};
        Buffer room;
        auto const q = at::rand({windows * config.heads, regions + 1, config.head_dim()}, like);
        auto const k = at::rand({windows * config.heads, config.head_dim(), regions + 1}, like);
        auto const scores = at::rand({windows * config.heads, regions + 1, regions + 1}, like);
        auto const run = [&] {
            at::Tensor last;
            for (auto const& [x, layer] : layers) last = layer.apply(x, room);
            last = at::matmul(q, k);
            last = at::matmul(scores, q);
            static_cast<void>(last.flatten()[0].item<float>());  // waits for a GPU
        };
        GetConfig block = config;
        block.depth = 1;
        auto const operations = static_cast<double>(windows) *
                                (forward_operations(block, regions) -
                                 2 * static_cast<double>(regions * d * (config.features + config.outputs)));
        run();
        using Clock = std::chrono::steady_clock;
        auto const begin = Clock::now();
        double passed = 0;
        double done = 0;
        do {
            run();
            done += operations;
            passed = std::chrono::duration<double>(Clock::now() - begin).count();
        } while (passed < seconds);
        return done / passed;
    });
}

}  // namespace mpira::model
