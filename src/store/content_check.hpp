#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "mpira/store/file_io.hpp"

#include "store/result_map.hpp"

/// The checksums of what is no row and no journal: names, settings, fixed arrays, HDF5's own tables. Kept in
/// the file at kChecks.
namespace mpira::store {

/// Takes the CRC of every byte that is not written again after creation (in a sealed file: of all bytes) and
/// writes it into the file, unsynced. The record's own bytes are left out.
void record_tables(FileIo& io, int descriptor, std::filesystem::path const& file, ResultMap const& map);

/// The same for the arrays that finish() writes: one entry a fixed array, empty where it was filled at
/// creation.
void record_finished_arrays(FileIo& io, int descriptor, std::filesystem::path const& file,
                            ResultMap const& map, std::span<std::vector<std::byte> const> arrays);

/// Whether both are what the record says, the second one only of a finished file; nothing when the file is
/// of an earlier version and has no record.
std::optional<bool> tables_hold(std::filesystem::path const& file, ResultMap const& map);

}  // namespace mpira::store
