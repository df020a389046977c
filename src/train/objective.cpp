#include "mpira/train/objective.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <ATen/ops/log.h>

#include "mpira/base/error.hpp"
#include "mpira/base/philox.hpp"

namespace mpira::train {

namespace {

class Poisson : public Objective {
public:
    explicit Poisson(std::uint64_t outputs) : outputs_(outputs) {}

    bool draw_mask(std::span<std::uint8_t>, SampleName) const override { return false; }

    std::uint64_t entries(std::uint64_t regions, SampleName) const override { return regions * outputs_; }

    at::Tensor loss_sum(at::Tensor const& prediction, Batch const& batch) const override {
        ensure(prediction.sizes() == batch.targets.sizes(), "predictions and targets differ in shape");
        auto const p = prediction.to(at::kFloat);
        return p.sub(batch.targets.mul(at::log(p.add(1e-8)))).sum();
    }

private:
    std::uint64_t outputs_;
};

class Masked : public Objective {
public:
    Masked(std::uint64_t features, MaskOptions const& options) : features_(features), options_(options) {
        ensure(options.ratio > 0 && options.ratio <= 1, "a mask ratio outside (0, 1]");
    }

    bool draw_mask(std::span<std::uint8_t> mask, SampleName name) const override {
        Draws draws(name.seed, Stream::masks, name.step, name.sample);
        if (options_.draw == MaskDraw::bernoulli) {
            for (auto& region : mask) region = draws.uniform() < options_.ratio ? 1 : 0;
            return true;
        }
        std::fill(mask.begin(), mask.end(), std::uint8_t{0});
        std::fill_n(mask.begin(), exactly(mask.size()), std::uint8_t{1});
        for (std::size_t left = mask.size(); left > 1; --left) {  // Fisher and Yates
            std::swap(mask[left - 1], mask[draws.below(left)]);
        }
        return true;
    }

    std::uint64_t entries(std::uint64_t regions, SampleName name) const override {
        if (options_.draw == MaskDraw::exact) return exactly(regions) * features_;
        std::vector<std::uint8_t> mask(regions);
        draw_mask(mask, name);
        return static_cast<std::uint64_t>(std::count(mask.begin(), mask.end(), 1)) * features_;
    }

    at::Tensor loss_sum(at::Tensor const& prediction, Batch const& batch) const override {
        ensure(prediction.sizes() == batch.inputs.sizes() && batch.mask.defined(),
               "a masked prediction of another shape, or no mask");
        auto const weight = batch.mask.to(at::kFloat).unsqueeze(-1);
        return prediction.to(at::kFloat).sub(batch.inputs).mul(weight).square().sum();
    }

private:
    [[nodiscard]] std::uint64_t exactly(std::uint64_t regions) const {
        return static_cast<std::uint64_t>(std::floor(options_.ratio * static_cast<double>(regions)));
    }
    std::uint64_t features_;
    MaskOptions options_;
};

}  // namespace

std::unique_ptr<Objective const> make_objective(model::HeadKind head, std::uint64_t outputs,
                                                MaskOptions const& mask) {
    if (head == model::HeadKind::masked) return std::make_unique<Masked const>(outputs, mask);
    return std::make_unique<Poisson const>(outputs);
}

}  // namespace mpira::train
