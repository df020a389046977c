#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace mpira {

/// SHA-256 (FIPS 180-4) as 64 hex digits: what sha256sum prints, for files that people pin by it. For names
/// of our own see ContentHash, which is much faster.
std::string sha256(std::span<std::byte const> bytes);

}  // namespace mpira
