#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "mpira/store/file_io.hpp"

#include "store/hdf5.hpp"

namespace mpira::store {

/// A new file beside its later place (mpira/base/draft_file.hpp); deleted unless place() is reached.
class Draft {
public:
    /// `stripes`: over so many of Lustre's storage targets (-1: all, 0: as the folder says); elsewhere a log
    /// line says that it has no effect.
    Draft(std::filesystem::path const& target, FileIo& io, int stripes = 0);
    Draft(Draft const&) = delete;
    Draft& operator=(Draft const&) = delete;
    ~Draft();

    [[nodiscard]] std::filesystem::path const& path() const { return path_; }
    [[nodiscard]] int descriptor() const { return descriptor_.get(); }

    /// fsync, then the name, then fsync of the folder. An existing file gets aside_name() (`overwrite`,
    /// after waiting up to owner_wait_s for a campaign that writes it), or is a usage error.
    void place(bool overwrite, double owner_wait_s);

private:
    std::filesystem::path target_;
    std::filesystem::path path_;
    Descriptor descriptor_;
    FileIo* io_;
    bool placed_ = false;
};

/// The same for a folder of many files (zarr): made beside its later place, deleted unless place() is
/// reached. Files in it need no sync of their own: place() syncs the whole file system once.
class FolderDraft {
public:
    explicit FolderDraft(std::filesystem::path const& target, FileIo& io);
    FolderDraft(FolderDraft const&) = delete;
    FolderDraft& operator=(FolderDraft const&) = delete;
    ~FolderDraft();

    [[nodiscard]] std::filesystem::path const& path() const { return path_; }
    /// As Draft::place.
    void place(bool overwrite);

private:
    std::filesystem::path target_;
    std::filesystem::path path_;
    Descriptor descriptor_;
    FileIo* io_;
    bool placed_ = false;
};

/// A file in such a folder.
void write_file(std::filesystem::path const& file, std::span<std::byte const> bytes);

/// Refuses an existing output without `overwrite`, one that is no file in any case, and an output in no
/// folder.
void require_new(std::filesystem::path const& file, bool overwrite);
/// The same of a folder, which must be one.
void require_new_folder(std::filesystem::path const& folder, bool overwrite);

/// An empty HDF5 file for AnnData: oldest format, no time stamps, everything at multiples of 128 bytes: a
/// journal row never lies across a sector's border, and rows can be mapped as any scalar type.
h5::File create_hdf5(std::filesystem::path const& path);
/// The same file again, for datasets of kLargeBytes and more: these begin at multiples of a page, which makes
/// writes of 1 MiB a fifth faster (HDF5 has one alignment an open file).
h5::File reopen_for_large(std::filesystem::path const& path);
inline constexpr std::uint64_t kLargeBytes = 64ULL * 1024;

}  // namespace mpira::store
