#pragma once

#include <cstdint>
#include <filesystem>

#include "mpira/store/file_io.hpp"

#include "store/hdf5.hpp"

namespace mpira::store {

/// A new file beside its later place, under an unpredictable name; deleted unless place() is reached.
class Draft {
public:
    Draft(std::filesystem::path const& target, FileIo& io);
    Draft(Draft const&) = delete;
    Draft& operator=(Draft const&) = delete;
    ~Draft();

    [[nodiscard]] std::filesystem::path const& path() const { return path_; }
    [[nodiscard]] int descriptor() const { return descriptor_.get(); }

    /// fsync, then the name, then fsync of the folder. An existing file becomes TARGET.old (`overwrite`,
    /// after waiting up to owner_wait_s for a campaign that writes it), or is a usage error.
    void place(bool overwrite, double owner_wait_s);

private:
    std::filesystem::path target_;
    std::filesystem::path path_;
    Descriptor descriptor_;
    FileIo* io_;
    bool placed_ = false;
};

/// The folder a file is, or will be, in.
std::filesystem::path folder_of(std::filesystem::path const& file);

/// Refuses an existing output without `overwrite`, and an output in no folder.
void require_new(std::filesystem::path const& file, bool overwrite);

/// An empty HDF5 file for AnnData: oldest format, no time stamps, everything at multiples of 128 bytes: a
/// journal row never lies across a sector's border, and rows can be mapped as any scalar type.
h5::File create_hdf5(std::filesystem::path const& path);
/// The same file again, for datasets of kLargeBytes and more: these begin at multiples of a page, which makes
/// writes of 1 MiB a fifth faster (HDF5 has one alignment an open file).
h5::File reopen_for_large(std::filesystem::path const& path);
inline constexpr std::uint64_t kLargeBytes = 64ULL * 1024;

}  // namespace mpira::store
