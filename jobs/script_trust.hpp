#pragma once

#include <filesystem>
#include <vector>

#include "mpira/base/settings.hpp"
#include "mpira/model/script.hpp"

namespace mpira::jobs {

/// model.allow_torchscript and model.torchscript_sha256: the settings of jobs that read other programs'
/// models.
std::vector<SettingSpec> script_settings();

/// What they say. Refuses (Origin::usage) what is no SHA-256.
model::ScriptTrust script_trust(Settings const& settings);

/// The card of a model of this campaign, weights or TorchScript (model::read_card). A TorchScript file is
/// tried out, and named in the log with its hash. `gradients`: it must be differentiable. Throws
/// Origin::usage.
model::ModelCard read_model(std::filesystem::path const& file, Settings const& settings, bool gradients);

}  // namespace mpira::jobs
