#include "mpira/model/get_config.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mpira/base/error.hpp"

#include "json_fields.hpp"

namespace mpira::model {
namespace {

struct HeadName {
    HeadKind kind;
    std::string_view name;
};
constexpr HeadName kHeadNames[] = {{HeadKind::expression, "expression"},
                                   {HeadKind::accessibility, "accessibility"},
                                   {HeadKind::masked, "masked"}};

// Above any real network, and low enough that no product of two of them overflows.
constexpr std::int64_t kMostWidth = 1 << 24;

}  // namespace

std::string_view name_of(HeadKind head) {
    for (auto const& entry : kHeadNames) {
        if (entry.kind == head) return entry.name;
    }
    return "unknown";
}

HeadKind head_kind(std::string_view name, std::string_view where) {
    for (auto const& entry : kHeadNames) {
        if (entry.name == name) return entry.kind;
    }
    fail_usage(fmt::format("{} is '{}', expected expression, accessibility or masked", where, name));
}

std::string_view head_name_of(HeadKind head) {
    return head == HeadKind::masked ? "head_mask" : "head_exp.head";
}

std::int64_t GetConfig::hidden() const {
    return static_cast<std::int64_t>(static_cast<double>(dim) * mlp_ratio);
}

std::int64_t GetConfig::parameter_count() const {
    return count_of(tensors_of(*this));
}

std::int64_t count_of(std::vector<TensorSpec> const& specs) {
    std::int64_t count = 0;
    for (auto const& spec : specs) {
        std::int64_t size = 1;
        for (auto const extent : spec.shape) size *= extent;
        count += size;
    }
    return count;
}

void GetConfig::require_valid(std::string_view where) const {
    auto const within = [&](std::string_view key, std::int64_t value, std::int64_t least, std::int64_t most) {
        require(value >= least && value <= most,
                fmt::format("{}: {} = {}, expected {} to {}", where, key, value, least, most));
    };
    within("features", features, 2, kMostWidth);
    within("dim", dim, 1, kMostWidth);
    within("depth", depth, 1, 10'000);
    within("heads", heads, 1, dim);
    within("outputs", outputs, 1, kMostWidth);
    require(dim % heads == 0, fmt::format("{}: heads = {} does not divide dim = {}", where, heads, dim));
    double const width = static_cast<double>(dim) * mlp_ratio;  // hidden() before it is cut to an integer
    require(width >= 1 && width <= static_cast<double>(kMostWidth),  // false for what is no number
            fmt::format("{}: mlp_ratio = {} makes no hidden layer of dim = {}", where, mlp_ratio, dim));
    require(drop_path >= 0 && drop_path < 1,
            fmt::format("{}: drop_path = {}, expected 0 <= drop_path < 1", where, drop_path));
    require(std::isfinite(eps) && eps > 0, fmt::format("{}: eps = {}, expected more than 0", where, eps));
    if (head == HeadKind::accessibility) within("outputs (accessibility head)", outputs, 1, 1);
    if (head == HeadKind::masked) within("outputs (masked head)", outputs, features, features);
}

std::vector<std::string> default_output_names(GetConfig const& config) {
    if (config.head == HeadKind::accessibility) return {"accessibility"};
    if (config.head == HeadKind::expression && config.outputs == 1) return {"expression"};
    if (config.head == HeadKind::expression && config.outputs == 2) return {"plus", "minus"};
    std::vector<std::string> names;
    for (std::int64_t i = 0; i < config.outputs; ++i) {
        names.push_back(fmt::format("{}_{}", config.head == HeadKind::masked ? "feature" : "expression", i));
    }
    return names;
}

std::string output_name_of(std::string_view column) {
    constexpr std::string_view kCellType = "{cell_type}";
    constexpr std::string_view kSeparators = "._- ";
    auto const at = column.find(kCellType);
    if (at == std::string_view::npos) return std::string(column);
    auto before = column.substr(0, at);
    auto after = column.substr(at + kCellType.size());
    after.remove_prefix(std::min(after.find_first_not_of(kSeparators), after.size()));
    if (after.empty()) before = before.substr(0, before.find_last_not_of(kSeparators) + 1);
    auto const name = fmt::format("{}{}", before, after);
    return name.empty() ? "expression" : name;
}

void to_json(nlohmann::json& json, GetConfig const& config) {
    json = {{"network", "GET"},          {"features", config.features},  {"dim", config.dim},
            {"depth", config.depth},     {"heads", config.heads},        {"mlp_ratio", config.mlp_ratio},
            {"outputs", config.outputs}, {"head", name_of(config.head)}, {"drop_path", config.drop_path},
            {"eps", config.eps}};
}

void from_json(nlohmann::json const& json, GetConfig& config) {
    Fields const fields(json, "architecture");
    auto const network = fields.get<std::string>("network");
    require(network == "GET",
            fmt::format("architecture.network is '{}', only GET, CNN and MLP are known", network));
    config.features = fields.get<std::int64_t>("features");
    config.dim = fields.get<std::int64_t>("dim");
    config.depth = fields.get<std::int64_t>("depth");
    config.heads = fields.get<std::int64_t>("heads");
    config.mlp_ratio = fields.get<double>("mlp_ratio");
    config.outputs = fields.get<std::int64_t>("outputs");
    config.drop_path = fields.get<double>("drop_path");
    config.eps = fields.get<double>("eps");
    config.head = head_kind(fields.get<std::string>("head"), "architecture.head");
    config.require_valid("architecture");
}

std::vector<TensorSpec> tensors_of(GetConfig const& config) {
    auto const d = config.dim;
    auto const hidden = config.hidden();
    std::vector<TensorSpec> specs;
    int depth_id = 0;
    auto const matrix = [&](std::string const& name, std::int64_t rows, std::int64_t columns) {
        specs.push_back({name, {rows, columns}, true, depth_id});
    };
    auto const vector = [&](std::string const& name, std::int64_t size) {
        specs.push_back({name, {size}, false, depth_id});
    };
    matrix("region_embed.embed.weight", d, config.features);
    vector("region_embed.embed.bias", d);
    specs.push_back({"cls_token", {1, 1, d}, false, depth_id});
    if (config.head == HeadKind::masked) specs.push_back({"mask_token", {1, 1, d}, true, depth_id});
    for (std::int64_t i = 0; i < config.depth; ++i) {
        ++depth_id;
        auto const block = fmt::format("encoder.blocks.{}.", i);
        vector(block + "norm1.weight", d);
        vector(block + "norm1.bias", d);
        matrix(block + "attn.qkv.weight", 3 * d, d);
        vector(block + "attn.q_bias", d);
        vector(block + "attn.v_bias", d);
        matrix(block + "attn.proj.weight", d, d);
        vector(block + "attn.proj.bias", d);
        vector(block + "norm2.weight", d);
        vector(block + "norm2.bias", d);
        matrix(block + "mlp.fc1.weight", hidden, d);
        vector(block + "mlp.fc1.bias", hidden);
        matrix(block + "mlp.fc2.weight", d, hidden);
        vector(block + "mlp.fc2.bias", d);
    }
    ++depth_id;
    vector("encoder.norm.weight", d);
    vector("encoder.norm.bias", d);
    std::string const head(head_name_of(config.head));
    matrix(head + ".weight", config.outputs, d);
    vector(head + ".bias", config.outputs);
    return specs;
}

}  // namespace mpira::model
