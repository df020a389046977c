#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "mpira/store/file_io.hpp"
#include "mpira/store/result_file.hpp"

#include "store/result_map.hpp"

namespace mpira::store {

/// Puts whole rows into the datasets of one result file, independently of all other ranks.
class RowWriter {
public:
    RowWriter() = default;
    RowWriter(RowWriter const&) = delete;
    RowWriter& operator=(RowWriter const&) = delete;
    virtual ~RowWriter() = default;

    /// Rows [first, first + count) of a dataset: a row array by its number, then done_array(),
    /// journal_array(), errors_array() (if the file has one).
    virtual void write(std::size_t array, std::uint64_t first, std::uint64_t count,
                       std::span<std::byte const> bytes) = 0;
    /// What was written reaches the disk: nothing, or why not. After a failure nobody knows what was written
    /// since the last success (the kernel may have dropped it), so it must be written again, not just synced.
    [[nodiscard]] virtual std::optional<std::string> sync() = 0;
};

std::unique_ptr<RowWriter> make_direct_writer(std::filesystem::path const& file, ResultMap const& map,
                                              FileIo& io);
/// Needs MPI. Nothing but raw data of existing datasets is written; HDF5 rewrites its superblock, same bytes,
/// at flush and close.
std::unique_ptr<RowWriter> make_mpiio_writer(std::filesystem::path const& file, ResultMap const& map);

}  // namespace mpira::store
