#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mpira::store {

/// A zarr store of version 2 that another program wrote: a folder of groups and arrays. Numbers of one or two
/// dimensions, and strings of one; in C order and little-endian; chunks as they are, or compressed by Blosc,
/// zlib, gzip or Zstandard, shuffled by byte or not.
///
/// Serial; a value. Threads: reading is free for all. Errors: Origin::usage naming the array, or the chunk's
/// file, for a folder that is no such store (version 3 with the command that makes one of version 2), an
/// array that is missing or stored in a way that is not read here, and a chunk that is damaged.
class ZarrReader {
public:
    explicit ZarrReader(std::filesystem::path const& folder);

    [[nodiscard]] std::filesystem::path const& folder() const noexcept { return folder_; }
    [[nodiscard]] bool contains(std::string_view array) const;
    /// Names of the arrays of a group ("atpm"), in alphabetical order; none where it is missing.
    [[nodiscard]] std::vector<std::string> arrays_of(std::string_view group) const;
    [[nodiscard]] std::vector<std::uint64_t> shape(std::string_view array) const;
    /// Rows in a chunk: rows are read fastest in multiples of it.
    [[nodiscard]] std::uint64_t chunk_rows(std::string_view array) const;

    /// Chunks of numbers that are not there: they hold the fill value.
    [[nodiscard]] std::uint64_t missing_chunks(std::string_view array) const;

    [[nodiscard]] std::vector<std::string> strings(std::string_view array) const;
    /// Rows [first, first + count) of an array of numbers, row-major.
    [[nodiscard]] std::vector<double> numbers(std::string_view array, std::uint64_t first,
                                              std::uint64_t count) const;
    /// The same as float, with the rounding that this takes.
    [[nodiscard]] std::vector<float> floats(std::string_view array, std::uint64_t first,
                                            std::uint64_t count) const;
    /// Names the content of the given arrays: of their metadata and all their chunks.
    [[nodiscard]] std::string content_hash(std::span<std::string const> arrays) const;

private:
    std::filesystem::path folder_;
};

}  // namespace mpira::store
