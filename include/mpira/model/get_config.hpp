#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace mpira::model {

/// What the last layer predicts, and so how the input is read (spec/get.md 1.1).
enum class HeadKind {
    expression,     ///< Linear + Softplus; with two outputs, column 0 is the '+' strand, 1 the '-' strand
    accessibility,  ///< Linear + Softplus to one output; the accessibility column of the input is hidden (1)
    masked          ///< pretraining: Linear to all features, no activation; mask token for masked regions
};
std::string_view name_of(HeadKind head);
/// Throws Origin::usage with the known names; `where` says where it was written.
HeadKind head_kind(std::string_view name, std::string_view where);
/// The head's layer in tensor names: "head_exp.head" or "head_mask".
std::string_view head_name_of(HeadKind head);

/// The widths of a GET (Fu et al. 2025; spec/get.md 1.1). Defaults: the published expression model.
///
/// The last feature is the accessibility column, the others are motifs. The number of regions a window is
/// free: there is no positional code.
struct GetConfig {
    std::int64_t features = 283;  ///< motifs + 1
    std::int64_t dim = 768;
    std::int64_t depth = 12;  ///< blocks
    std::int64_t heads = 12;
    double mlp_ratio = 4;
    std::int64_t outputs = 2;  ///< masked: equal to features; accessibility: 1
    HeadKind head = HeadKind::expression;
    double drop_path = 0.1;  ///< of the last block; linear from 0 at the first; training only
    double eps = 1e-6;       ///< of every LayerNorm

    [[nodiscard]] std::int64_t motifs() const { return features - 1; }
    [[nodiscard]] std::int64_t head_dim() const { return dim / heads; }
    [[nodiscard]] std::int64_t hidden() const;  ///< int(dim * mlp_ratio)
    [[nodiscard]] std::int64_t parameter_count() const;

    /// Refuses widths that make no network ("heads = 5 does not divide dim = 64"). `where` names the source.
    void require_valid(std::string_view where) const;

    bool operator==(GetConfig const&) const = default;
};

/// "plus","minus" (expression with 2 outputs), "expression" (1), "expression_0".. (more), "accessibility",
/// "feature_0"..; what columns are called when a model card gives no names.
std::vector<std::string> default_output_names(GetConfig const& config);

/// What an output is called that was trained on this column of expression: "plus" for "{cell_type}.plus",
/// which stands for a column of each cell type, "Kc.plus" for itself.
std::string output_name_of(std::string_view column);

void to_json(nlohmann::json& json, GetConfig const& config);
/// Throws Origin::usage naming the key that is missing or has the wrong type.
void from_json(nlohmann::json const& json, GetConfig& config);

/// A tensor a weights file must hold, by the key names of the published code's HEAD (spec/get.md 1.7).
struct TensorSpec {
    std::string name;
    std::vector<std::int64_t> shape;
    /// Weight decay applies: not to 1-D tensors, biases and the CLS token (spec/get.md 1.4).
    bool decay = false;
    /// 0 embedding, CLS and mask token, i + 1 block i, depth + 1 the rest (spec/get.md 1.4).
    int depth_id = 0;
};

/// How many values they hold.
std::int64_t count_of(std::vector<TensorSpec> const& specs);

/// All parameters of a GET in a fixed order: embedding, tokens, blocks, final norm, head.
std::vector<TensorSpec> tensors_of(GetConfig const& config);

}  // namespace mpira::model
