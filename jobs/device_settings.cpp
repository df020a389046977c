#include "jobs/device_settings.hpp"

#include <vector>

#include <fmt/format.h>

namespace mpira::jobs {
namespace {

/// A text that decides the result, by default the first of its choices.
SettingSpec choice(char const* key, std::vector<std::string> const& choices, char const* summary) {
    return {key, SettingKind::text, choices.front(), summary, Affects::result, choices};
}

}  // namespace

std::string explain(DeviceSize const& size) {
    return fmt::format("0: {}, on a GPU {}.", size.host, size.gpu);
}

SettingSpec precision_setting() {
    return choice("model.precision", {"f32", "bf16"},
                  "Arithmetic of the model. bf16 is for GPUs, and for CPUs with bf16 products (avx512_bf16, "
                  "amx_bf16 in lscpu).");
}

SettingSpec attention_setting() {
    return choice(
        "model.attention", {"repeatable", "fastest"},
        "On a GPU. repeatable: kernels that add in a fixed order; an operator of a TorchScript model that "
        "has none is refused. fastest: what LibTorch thinks fastest; the last bits of results then vary from "
        "run to run.");
}

SettingSpec products_setting() {
    return choice(
        "model.products", {"onednn", "blas"},
        "On a CPU, the library that multiplies matrices. blas is what LibTorch calls: MKL, OpenBLAS. "
        "mpira bench compares them.");
}

model::Compute compute_of(Settings const& settings, Place const& place) {
    using model::Precision;
    return {.device = place.device,
            .threads = place.threads,
            .precision = settings.text("model.precision") == "bf16" ? Precision::bf16 : Precision::f32,
            .any_order = settings.text("model.attention") == "fastest",
            .products = model::products_of(settings.text("model.products"))};
}

Settings settled(Settings settings, std::span<DeviceSize const> sizes, Place const& place) {
    for (auto const& size : sizes)
        if (settings.integer(size.key) == 0)
            settings.set(size.key, place.device < 0 ? size.host : size.gpu, "chosen for the device");
    if (place.device >= 0) return settings;
    auto const compute = compute_of(settings, place);
    auto const lack = model::lack_of(compute.products, compute.precision);
    if (!lack.empty()) settings.refuse("model.products", lack);
    return settings;
}

}  // namespace mpira::jobs
