#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "mpira/model/get_config.hpp"

/// Low-rank adaptors (Hu et al. 2022, arXiv:2106.09685) of a GET's linear layers: what they are and their
/// files. No Torch here; lora.hpp trains them.
namespace mpira::model {

/// The kinds of linear layers of a GET: of a kind in each block, all are meant.
enum class LinearLayer { embed, qkv, proj, fc1, fc2, head };
std::string_view name_of(LinearLayer layer);

/// Which layers get adaptors: a preset, "encoder" (region embedding and encoder: all but the head, which is
/// trained in full) or "all"; or kinds with commas between them ("qkv,proj"). Throws Origin::usage with the
/// known names; `where` says where it was written.
std::vector<LinearLayer> lora_layers(std::string_view scope, std::string_view where);

/// W + (alpha / rank) B A in place of W. Everything else of the base is frozen: all its weights, biases,
/// norms, CLS; but the head, which is trained in full unless it is among `layers` and the base has it.
struct LoraConfig {
    std::int64_t rank = 8;
    double alpha = 1;
    std::vector<LinearLayer> layers = lora_layers("encoder", "");

    /// rank >= 1, alpha > 0 and finite, at least one layer, none twice. `where` names the source.
    void require_valid(std::string_view where) const;

    bool operator==(LoraConfig const&) const = default;
};

/// What the card of an adaptor file says besides the facts of the adapted model.
struct AdaptorFacts {
    LoraConfig lora;
    std::string base;  ///< content hash of the weights it belongs to

    bool operator==(AdaptorFacts const&) const = default;
};

void to_json(nlohmann::json& json, AdaptorFacts const& facts);
/// Throws Origin::usage naming the key that is missing or has the wrong type.
void from_json(nlohmann::json const& json, AdaptorFacts& facts);

/// The tensors of an adaptor file, in their order: for each adapted layer "<layer>.lora_A" (rank, inputs)
/// and "<layer>.lora_B" (outputs, rank), then the whole head (a masked one with the mask token). `config` is
/// the adapted model's.
std::vector<TensorSpec> adaptor_tensors_of(GetConfig const& config, LoraConfig const& lora);

/// Writes the merged model, a GET like any other, to `output`; its parents are the base and the adaptor.
/// Nothing is subtracted to get back: the base file is the unmerged model. Throws Origin::usage when the
/// adaptor belongs to other weights (naming both hashes) or a file is no base or no adaptor. Returns the
/// content hash.
std::string merge_adaptor(std::filesystem::path const& base, std::filesystem::path const& adaptor,
                          std::filesystem::path const& output);

}  // namespace mpira::model
