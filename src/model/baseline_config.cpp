#include "mpira/model/baseline_config.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mpira/base/error.hpp"

#include "json_fields.hpp"

namespace mpira::model {
namespace {

// As for GET: above any real network, and no product of two overflows.
constexpr std::int64_t kMostWidth = 1 << 24;
constexpr std::int64_t kMostKernel = 1001;

}  // namespace

std::string_view name_of(BaselineKind kind) {
    return kind == BaselineKind::cnn ? "CNN" : "MLP";
}

BaselineConfig BaselineConfig::published(BaselineKind kind, std::int64_t features, std::int64_t outputs,
                                         HeadKind head) {
    BaselineConfig config{.kind = kind, .features = features, .outputs = outputs, .head = head};
    if (kind == BaselineKind::cnn) {
        config.channels = {128, 64, 32};
        config.hidden = {512};
    } else {
        config.hidden = {512, 256};
    }
    return config;
}

std::int64_t BaselineConfig::parameter_count() const {
    return count_of(tensors_of(*this));
}

void BaselineConfig::require_valid(std::string_view where) const {
    auto const within = [&](std::string_view key, std::int64_t value, std::int64_t least, std::int64_t most) {
        require(value >= least && value <= most,
                fmt::format("{}: {} = {}, expected {} to {}", where, key, value, least, most));
    };
    within("features", features, 2, kMostWidth);
    within("outputs", outputs, 1, kMostWidth);
    within("kernel", kernel, 1, kMostKernel);
    require(
        kernel % 2 == 1,
        fmt::format("{}: kernel = {}, expected an odd number: each region keeps its place", where, kernel));
    for (auto const width : channels) within("channels", width, 1, kMostWidth);
    for (auto const width : hidden) within("hidden", width, 1, kMostWidth);
    require(kind == BaselineKind::cnn ? !channels.empty() : channels.empty(),
            fmt::format("{}: {} convolutions in a {}", where, channels.size(), name_of(kind)));
    require(head != HeadKind::masked,
            fmt::format("{}: a {} has an expression or an accessibility head", where, name_of(kind)));
    if (head == HeadKind::accessibility) within("outputs (accessibility head)", outputs, 1, 1);
}

bool is_baseline(nlohmann::json const& architecture) {
    auto const network = architecture.is_object() ? architecture.find("network") : architecture.end();
    return network != architecture.end() && (*network == "CNN" || *network == "MLP");
}

void to_json(nlohmann::json& json, BaselineConfig const& config) {
    json = {{"network", name_of(config.kind)}, {"features", config.features}, {"outputs", config.outputs},
            {"head", name_of(config.head)},    {"channels", config.channels}, {"kernel", config.kernel},
            {"hidden", config.hidden}};
}

void from_json(nlohmann::json const& json, BaselineConfig& config) {
    Fields const fields(json, "architecture");
    auto const network = fields.get<std::string>("network");
    require(is_baseline(json), fmt::format("architecture.network is '{}', expected CNN or MLP", network));
    config.kind = network == "CNN" ? BaselineKind::cnn : BaselineKind::mlp;
    config.features = fields.get<std::int64_t>("features");
    config.outputs = fields.get<std::int64_t>("outputs");
    config.head = head_kind(fields.get<std::string>("head"), "architecture.head");
    config.channels = fields.get<std::vector<std::int64_t>>("channels");
    config.kernel = fields.get<std::int64_t>("kernel");
    config.hidden = fields.get<std::vector<std::int64_t>>("hidden");
    config.require_valid("architecture");
}

std::vector<TensorSpec> tensors_of(BaselineConfig const& config) {
    std::vector<TensorSpec> specs;
    auto const layer = [&](std::string const& name, std::vector<std::int64_t> shape) {
        auto const outputs = shape.front();
        specs.push_back({name + ".weight", std::move(shape), true, 1});
        specs.push_back({name + ".bias", {outputs}, false, 1});
    };
    auto width = config.features;
    for (std::size_t i = 0; i < config.channels.size(); ++i) {
        layer(fmt::format("conv.{}", i), {config.channels[i], width, config.kernel});
        width = config.channels[i];
    }
    for (std::size_t i = 0; i < config.hidden.size(); ++i) {
        layer(fmt::format("linear.{}", i), {config.hidden[i], width});
        width = config.hidden[i];
    }
    layer(fmt::format("linear.{}", config.hidden.size()), {config.outputs, width});
    return specs;
}

}  // namespace mpira::model
