#include "mpira/store/file_io.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

#include "store/stripe.hpp"

namespace mpira::store {
namespace {

class SystemIo final : public FileIo {
public:
    std::int64_t pwrite(int descriptor, std::span<std::byte const> bytes, std::uint64_t offset) override {
        return ::pwrite(descriptor, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    }
    int fdatasync(int descriptor) override { return ::fdatasync(descriptor); }
    int fsync(int descriptor) override { return ::fsync(descriptor); }
    int reserve(int descriptor, std::uint64_t bytes) override {
        return ::posix_fallocate(descriptor, 0, static_cast<off_t>(bytes));
    }
    int rename(std::filesystem::path const& from, std::filesystem::path const& to) override {
        return ::rename(from.c_str(), to.c_str());
    }
    int rename_new(std::filesystem::path const& from, std::filesystem::path const& to) override {
        if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return 0;
        if (errno != EINVAL && errno != ENOSYS) return -1;
        // Network file systems know no RENAME_NOREPLACE; a hard link fails on an existing name just as well.
        if (::link(from.c_str(), to.c_str()) != 0) return -1;
        return ::unlink(from.c_str());
    }
    int unlink(std::filesystem::path const& file) override { return ::unlink(file.c_str()); }
    int sync_folder(std::filesystem::path const& folder) override {
        Descriptor const open(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        return open.is_open() ? ::fsync(open.get()) : -1;
    }
    std::int64_t free_bytes(std::filesystem::path const& folder) override {
        struct statvfs info {};
        if (::statvfs(folder.c_str(), &info) != 0) return -1;
        return static_cast<std::int64_t>(info.f_bavail) * static_cast<std::int64_t>(info.f_frsize);
    }
};

}  // namespace

bool FileIo::make_striped(std::filesystem::path const& file, int stripes) {
    if (!is_on_lustre(file.parent_path())) return false;
    make_striped_by_lfs(file, stripes);
    return true;
}

FileIo& system_io() {
    static SystemIo io;
    return io;
}

void write_all(FileIo& io, int descriptor, std::span<std::byte const> bytes, std::uint64_t offset,
               std::filesystem::path const& file) {
    while (!bytes.empty()) {
        std::int64_t const written = io.pwrite(descriptor, bytes, offset);
        if (written < 0) {
            if (errno == EINTR) continue;
            if (errno == ENOSPC || errno == EDQUOT) {
                throw Error(Origin::system,
                            fmt::format("{}: {} while writing {}; free some space and run again to resume",
                                        file.string(), std::strerror(errno), text::bytes(bytes.size())));
            }
            fail_errno("writing", file.string());
        }
        if (written == 0) throw Error(Origin::system, file.string() + ": the disk takes no more bytes");
        bytes = bytes.subspan(static_cast<std::size_t>(written));
        offset += static_cast<std::uint64_t>(written);
    }
}

void read_all(int descriptor, std::span<std::byte> bytes, std::uint64_t offset,
              std::filesystem::path const& file) {
    while (!bytes.empty()) {
        ssize_t const got = ::pread(descriptor, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (got < 0) {
            if (errno == EINTR) continue;
            fail_errno("reading", file.string());
        }
        if (got == 0) fail_usage(fmt::format("{} ends at byte {}: it was cut off", file.string(), offset));
        bytes = bytes.subspan(static_cast<std::size_t>(got));
        offset += static_cast<std::uint64_t>(got);
    }
}

Descriptor::Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
}

Descriptor::~Descriptor() {
    if (value_ >= 0) ::close(value_);
}

Descriptor open_existing(std::filesystem::path const& file, bool writable) {
    Descriptor opened(::open(file.c_str(), (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC));
    if (!opened.is_open()) {
        fail_usage(fmt::format("cannot open {}{}: {}", file.string(), writable ? " for writing" : "",
                               std::strerror(errno)));
    }
    struct stat info {};
    require(::fstat(opened.get(), &info) == 0 && S_ISREG(info.st_mode),
            file.string() + " is not a regular file");
    return opened;
}

}  // namespace mpira::store
