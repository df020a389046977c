#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "mpira/model/get_config.hpp"

/// The baseline networks GET is compared with (spec/get.md 6): trained by the same trainer on the same
/// windows. No Torch here.
namespace mpira::model {

enum class BaselineKind {
    cnn,  ///< convolutions along the regions, then a fully connected net on each region
    mlp   ///< a fully connected net on each region alone
};
std::string_view name_of(BaselineKind kind);  ///< "CNN", "MLP"

/// Widths of a baseline. CNN: channels 128, 64, 32 with kernel 3 (padded, so that every region keeps its
/// place, ReLU after each), then 512. MLP: 512, 256. ReLU after each hidden layer, Softplus at the end.
struct BaselineConfig {
    BaselineKind kind = BaselineKind::cnn;
    std::int64_t features = 283;  ///< motifs + 1, as GetConfig
    std::int64_t outputs = 2;
    HeadKind head = HeadKind::expression;  ///< expression or accessibility (last column hidden)
    std::vector<std::int64_t> channels{};  ///< of the convolutions; MLP: none
    std::int64_t kernel = 3;               ///< regions, odd
    std::vector<std::int64_t> hidden{};    ///< of the fully connected layers

    /// The published widths.
    static BaselineConfig published(BaselineKind kind, std::int64_t features, std::int64_t outputs,
                                    HeadKind head);

    [[nodiscard]] std::int64_t parameter_count() const;
    /// Refuses widths that make no network, a masked head, an MLP with channels. `where` names the source.
    void require_valid(std::string_view where) const;

    bool operator==(BaselineConfig const&) const = default;
};

/// Whether an architecture's JSON says CNN or MLP.
bool is_baseline(nlohmann::json const& architecture);
void to_json(nlohmann::json& json, BaselineConfig const& config);
/// Throws Origin::usage naming the key that is missing or has the wrong type.
void from_json(nlohmann::json const& json, BaselineConfig& config);

/// All parameters in a fixed order: "conv.N.weight" (out, in, kernel), "conv.N.bias", "linear.N.weight",
/// "linear.N.bias". Weight decay as for GET.
std::vector<TensorSpec> tensors_of(BaselineConfig const& config);

}  // namespace mpira::model
