#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace mpira::store {

/// Every system call by which the store changes a disk, so that tests can cut a write short, fail a sync, or
/// drop, reorder and tear what was not synced (as SQLite's crash tests do).
///
/// The calls behave like the system calls they are named after: they return what those return and set errno.
/// Handling short writes, EINTR and errors is the callers' business (write_all, sync_data). Threads: as the
/// system calls.
class FileIo {
public:
    FileIo() = default;
    FileIo(FileIo const&) = delete;
    FileIo& operator=(FileIo const&) = delete;
    virtual ~FileIo() = default;

    virtual std::int64_t pwrite(int descriptor, std::span<std::byte const> bytes, std::uint64_t offset) = 0;
    virtual int fdatasync(int descriptor) = 0;
    virtual int fsync(int descriptor) = 0;
    /// posix_fallocate of [0, bytes): returns an errno value, 0 when the blocks are ours.
    virtual int reserve(int descriptor, std::uint64_t bytes) = 0;
    virtual int rename(std::filesystem::path const& from, std::filesystem::path const& to) = 0;
    /// As rename(), but fails with EEXIST when `to` exists: of two creators, one wins.
    virtual int rename_new(std::filesystem::path const& from, std::filesystem::path const& to) = 0;
    virtual int unlink(std::filesystem::path const& file) = 0;
    /// Opens the folder, fsyncs it, closes it.
    virtual int sync_folder(std::filesystem::path const& folder) = 0;
    /// Makes `file`, empty, with its data over so many storage targets (-1: all). False, and nothing made,
    /// where the file system has no such thing. Throws Origin::usage when it has and can't.
    virtual bool make_striped(std::filesystem::path const& file, int stripes);
    /// Bytes an ordinary user may still write in this folder; -1 and errno when it can't be told.
    virtual std::int64_t free_bytes(std::filesystem::path const& folder) = 0;
};

/// The real system calls.
FileIo& system_io();

/// Writes all of it, going on after short writes and EINTR. Throws Origin::system naming `file` (a full disk
/// in words of its own).
void write_all(FileIo& io, int descriptor, std::span<std::byte const> bytes, std::uint64_t offset,
               std::filesystem::path const& file);

/// Reads all of it. Throws Origin::usage naming `file` when it ends before.
void read_all(int descriptor, std::span<std::byte> bytes, std::uint64_t offset,
              std::filesystem::path const& file);

/// A file descriptor's owner. Move-only.
class Descriptor {
public:
    Descriptor() = default;
    explicit Descriptor(int owned) noexcept : value_(owned) {}
    Descriptor(Descriptor&& other) noexcept;
    Descriptor& operator=(Descriptor&& other) noexcept;
    Descriptor(Descriptor const&) = delete;
    Descriptor& operator=(Descriptor const&) = delete;
    ~Descriptor();

    [[nodiscard]] int get() const noexcept { return value_; }
    [[nodiscard]] bool is_open() const noexcept { return value_ >= 0; }

private:
    int value_ = -1;
};

/// Opens an existing regular file for reading and writing. Throws Origin::usage with its name.
Descriptor open_existing(std::filesystem::path const& file, bool writable);

}  // namespace mpira::store
