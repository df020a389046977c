#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/mapped_file.hpp"
#include "mpira/store/job.hpp"

#include "store/result_map.hpp"

namespace mpira::store {

/// Finished rows straight from the file, fixed arrays in memory until they are written.
class MappedRows final : public FinishedRows {
public:
    MappedRows(std::filesystem::path const& file, ResultMap const& map) : map_(&map), mapping_(file) {
        for (std::size_t i = 0; i < map.layout.fixed_arrays.size(); ++i) {
            auto const& array = map.layout.fixed_arrays[i];
            std::uint64_t bytes = size_of(array.type);
            for (auto const extent : array.shape) bytes *= extent;
            fixed_.emplace_back(map.fixed_is_filled[i] ? 0 : bytes);
        }
    }
    std::span<std::byte const> rows(std::string_view path) const override {
        for (std::size_t i = 0; i < map_->layout.row_arrays.size(); ++i) {
            auto const& array = map_->layout.row_arrays[i];
            if (array.path != path) continue;
            return mapping_.bytes().subspan(map_->row_offsets[i], map_->layout.rows * array.bytes_per_row());
        }
        throw Error(Origin::internal, fmt::format("the layout has no row array {}", path));
    }
    std::span<std::byte> fixed(std::string_view path) override {
        for (std::size_t i = 0; i < fixed_.size(); ++i)
            if (map_->layout.fixed_arrays[i].path == path && !map_->fixed_is_filled[i]) return fixed_[i];
        throw Error(Origin::internal, fmt::format("the layout has no empty fixed array {}", path));
    }
    [[nodiscard]] std::vector<std::vector<std::byte>> const& fixed_bytes() const { return fixed_; }

private:
    ResultMap const* map_;
    MappedFile mapping_;
    std::vector<std::vector<std::byte>> fixed_;
};

}  // namespace mpira::store
