#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "mpira/store/journal.hpp"

#include "store/hdf5.hpp"
#include "store/result_map.hpp"

namespace mpira::store {

/// Reads a result file unit by unit through HDF5, so that sealed (compressed) ones work like the others.
/// What HDF5 finds wrong is a usage error naming the file.
class UnitSource {
public:
    explicit UnitSource(std::filesystem::path const& file);

    [[nodiscard]] ResultMap const& map() const { return map_; }
    [[nodiscard]] std::filesystem::path const& file() const { return file_; }
    [[nodiscard]] hid_t raw() const { return opened_.get(); }

    /// A unit's rows of a row array by its number.
    void read_rows(std::size_t array, std::uint64_t unit, std::vector<std::byte>& rows) const;
    /// Rows [first, first + count) of it.
    void read_rows(std::size_t array, std::uint64_t first, std::uint64_t count,
                   std::vector<std::byte>& rows) const;
    void read_done(std::uint64_t unit, std::vector<std::byte>& done) const;
    /// The whole text of a failed unit's error, if it is there.
    [[nodiscard]] std::optional<std::string> error_text(std::uint64_t unit) const;
    /// Every unit with its journal row, nothing for a torn one.
    void for_each_row(
        std::function<void(std::uint64_t, std::optional<JournalRow> const&)> const& visit) const;

private:
    struct Source {
        std::string path;
        h5::Dataset dataset;
        h5::Datatype type;  ///< the file's own: bytes come as they are
        std::uint64_t row_bytes;
        std::uint64_t entries_per_row = 1;  ///< of a flat array
        std::vector<std::uint64_t> shape;
    };
    void add(std::string const& path, std::uint64_t entries_per_row = 1);
    void read(Source const& source, std::uint64_t first, std::uint64_t count,
              std::vector<std::byte>& bytes) const;

    std::filesystem::path file_;
    ResultMap map_;
    h5::File opened_;
    std::vector<Source> sources_;  ///< row arrays, done, journal, errors (if the file has them)
};

}  // namespace mpira::store
