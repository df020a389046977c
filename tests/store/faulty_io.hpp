#pragma once

// Disks that misbehave, for the store's tests.
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <unistd.h>

#include "mpira/base/philox.hpp"
#include "mpira/store/file_io.hpp"

namespace mpira::store {

/// Passes everything on but syncs, which only real power cuts could tell, unless told to fail; keeps a
/// protocol of what was called.
class FaultyIo : public FileIo {
public:
    std::size_t longest_write = std::numeric_limits<std::size_t>::max();  ///< longer writes are cut short
    int interrupted_writes = 0;                                           ///< so many writes fail with EINTR
    std::int64_t bytes_left = std::numeric_limits<std::int64_t>::max();   ///< then ENOSPC
    int failing_syncs = 0;                                                ///< so many syncs fail with EIO
    bool failed_sync_forgets = false;  ///< a failed sync leaves zeros where its writes were
    int reserve_code = 0;              ///< what reserve() returns instead, if not 0
    std::int64_t free = -2;            ///< what free_bytes() returns instead, if not -2
    int failing_renames = 0;
    std::string protocol;  ///< w: write, s: sync, f: fsync, r: rename, R: rename_new, d: folder, a: reserve

    std::int64_t pwrite(int descriptor, std::span<std::byte const> bytes, std::uint64_t offset) override {
        if (interrupted_writes > 0) {
            --interrupted_writes;
            errno = EINTR;
            return -1;
        }
        if (bytes_left <= 0) {
            errno = ENOSPC;
            return -1;
        }
        protocol += 'w';
        auto const part =
            bytes.first(std::min({bytes.size(), longest_write, static_cast<std::size_t>(bytes_left)}));
        bytes_left -= static_cast<std::int64_t>(part.size());
        unsynced_.push_back({offset, part.size()});
        return system_io().pwrite(descriptor, part, offset);
    }
    int fdatasync(int descriptor) override {
        protocol += 's';
        if (failing_syncs > 0) {
            --failing_syncs;
            if (failed_sync_forgets) {
                for (auto const& [offset, size] : unsynced_) {
                    std::vector<std::byte> const zeros(size);
                    system_io().pwrite(descriptor, zeros, offset);
                }
            }
            unsynced_.clear();
            errno = EIO;
            return -1;
        }
        unsynced_.clear();
        return 0;
    }
    int fsync(int /*descriptor*/) override {
        protocol += 'f';
        return 0;
    }
    int reserve(int descriptor, std::uint64_t bytes) override {
        protocol += 'a';
        return reserve_code != 0 ? reserve_code : system_io().reserve(descriptor, bytes);
    }
    int rename(std::filesystem::path const& from, std::filesystem::path const& to) override {
        protocol += 'r';
        return system_io().rename(from, to);
    }
    int rename_new(std::filesystem::path const& from, std::filesystem::path const& to) override {
        protocol += 'R';
        if (failing_renames > 0) {
            --failing_renames;
            errno = EIO;
            return -1;
        }
        return system_io().rename_new(from, to);
    }
    int unlink(std::filesystem::path const& file) override { return system_io().unlink(file); }
    int sync_folder(std::filesystem::path const& /*folder*/) override {
        protocol += 'd';
        return 0;
    }
    std::int64_t free_bytes(std::filesystem::path const& folder) override {
        return free != -2 ? free : system_io().free_bytes(folder);
    }

private:
    struct Range {
        std::uint64_t offset;
        std::size_t size;
    };
    std::vector<Range> unsynced_;
};

/// A disk that loses power: after `calls_until_crash` writes and syncs, of the writes not yet synced some
/// reach the disk, some don't, some in part (by sectors), in any order; then everything throws PowerCut.
class CrashingIo final : public FaultyIo {
public:
    struct PowerCut : std::exception {};

    CrashingIo(std::uint32_t seed, int calls_until_crash)
        : draws_(7, Stream::tests, seed), calls_left_(calls_until_crash) {}

    std::int64_t pwrite(int descriptor, std::span<std::byte const> bytes, std::uint64_t offset) override {
        pending_.push_back({descriptor, {bytes.begin(), bytes.end()}, offset});
        count_call();
        return static_cast<std::int64_t>(bytes.size());
    }
    int fdatasync(int /*descriptor*/) override {
        count_call();
        for (auto const& write : pending_) system_io().pwrite(write.descriptor, write.bytes, write.offset);
        pending_.clear();
        return 0;
    }

private:
    struct Write {
        int descriptor;
        std::vector<std::byte> bytes;
        std::uint64_t offset;
    };
    void count_call() {
        if (--calls_left_ > 0) return;
        while (!pending_.empty()) {  // reordered
            auto const chosen = pending_.begin() + static_cast<std::ptrdiff_t>(draws_.below(pending_.size()));
            land(*chosen);
            pending_.erase(chosen);
        }
        throw PowerCut();
    }
    void land(Write const& write) {
        constexpr std::uint64_t kFates = 3;
        std::uint64_t const fate = draws_.below(kFates);
        if (fate == 0) return;  // dropped
        constexpr std::uint64_t kSector = 512;
        std::span<std::byte const> rest(write.bytes);
        for (std::uint64_t at = write.offset; !rest.empty();) {
            std::size_t const size = std::min<std::size_t>(rest.size(), kSector - at % kSector);
            bool const lands = fate == 1 || draws_.below(2) == 0;  // whole, or torn
            if (lands) system_io().pwrite(write.descriptor, rest.first(size), at);
            rest = rest.subspan(size);
            at += size;
        }
    }
    Draws draws_;
    int calls_left_;
    std::vector<Write> pending_;
};

}  // namespace mpira::store
