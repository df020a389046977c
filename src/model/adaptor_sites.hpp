#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mpira/model/adaptor.hpp"

namespace mpira::model {

/// A linear layer that gets an adaptor.
struct AdaptorSite {
    LinearLayer layer = LinearLayer::embed;
    std::int64_t block = -1;
    std::string name;  ///< "encoder.blocks.0.attn.qkv"
    std::int64_t inputs = 0;
    std::int64_t outputs = 0;
    int depth_id = 0;
};

/// In the order of tensors_of(config).
std::vector<AdaptorSite> adaptor_sites(GetConfig const& config, LoraConfig const& lora);

/// Whether a tensor of a GET belongs to its head, which an adaptor file holds.
bool is_of_head(std::string_view tensor);

}  // namespace mpira::model
