#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace mpira {

/// CRC-32 as zlib and Python's zlib.crc32 compute it; pass the previous value to go on.
std::uint32_t crc32(std::span<std::byte const> bytes, std::uint32_t before = 0);

/// Names content, not for security: XXH3 with 128 bits, as 32 hex digits. Same bytes, same name, on any
/// machine.
class ContentHash {
public:
    ContentHash();
    ~ContentHash();
    ContentHash(ContentHash const&) = delete;
    ContentHash& operator=(ContentHash const&) = delete;

    ContentHash& add(std::span<std::byte const> bytes);
    ContentHash& add(std::string_view text);  ///< with its length, so that "ab","c" differs from "a","bc"
    [[nodiscard]] std::string hex() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// The content hash of a file's bytes. Throws Origin::usage when it can't be read.
std::string hash_file(std::filesystem::path const& file);

}  // namespace mpira
