#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace mpira::store {

/// What .zarray says of an array (zarr version 2), checked: shapes and chunks of one or two dimensions.
struct ZarrInfo {
    std::vector<std::uint64_t> shape;
    std::vector<std::uint64_t> chunks;
    char kind = 'f';         ///< of numpy's type: f, i, u, b, U, S or O
    std::size_t width = 4;   ///< bytes of a value; of U four a letter; of O none
    std::string compressor;  ///< "", "blosc", "zlib", "gzip" or "zstd"
    bool shuffled = false;
    char separator = '.';
    nlohmann::json fill;  ///< null: 0

    [[nodiscard]] std::uint64_t columns() const { return shape.size() > 1 ? shape[1] : 1; }
    [[nodiscard]] std::uint64_t chunk_columns() const { return chunks.size() > 1 ? chunks[1] : 1; }
    [[nodiscard]] std::uint64_t chunk_values() const { return chunks[0] * chunk_columns(); }
    [[nodiscard]] std::string chunk_name(std::uint64_t row, std::uint64_t column) const;
};

/// Reads FOLDER/.zarray; Origin::usage naming it for what is not read here.
ZarrInfo read_zarr_info(std::filesystem::path const& folder);

/// Bytes of a chunk of numbers or fixed-length strings as they lie in memory; empty where the file is
/// missing, which means the fill value. Origin::usage naming the file when it is damaged.
std::vector<std::byte> read_zarr_chunk(std::filesystem::path const& file, ZarrInfo const& info);

/// Texts of a chunk of strings of any length (codec vlen-utf8), which may be fewer than a full chunk's. A
/// missing file is refused, too.
std::vector<std::string> read_zarr_texts(std::filesystem::path const& file, ZarrInfo const& info);

}  // namespace mpira::store
