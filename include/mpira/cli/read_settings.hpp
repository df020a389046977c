#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mpira/base/settings.hpp"

namespace mpira::cli {

/// Settings that every campaign has, whatever its job: where the result goes, commits, checks, progress.
std::vector<SettingSpec> campaign_schema();

/// A job's schema followed by campaign_schema(). A key that both have is a mistake of ours.
std::vector<SettingSpec> with_campaign_schema(std::vector<SettingSpec> job_schema);

/// A complete Settings from a TOML text and overrides.
///
/// Nested tables become dotted keys. Every message names `source` and the line; syntax errors have line and
/// column. `overrides` are "key.path=value" and win over the text. Throws Origin::usage.
Settings parse_settings(std::span<SettingSpec const> schema, std::string_view toml_text,
                        std::string const& source, std::span<std::string const> overrides);

/// The text of a small file for people to write (settings): a usage error when it can't be read or is larger
/// than 16 MiB. An empty path gives an empty text.
std::string read_text(std::filesystem::path const& file);

}  // namespace mpira::cli
