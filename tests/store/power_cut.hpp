#pragma once

// A folder on a disk that loses power, for creations and sealings, whose bytes HDF5 writes past FileIo.
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <sys/stat.h>

#include "mpira/base/philox.hpp"

#include "store/faulty_io.hpp"
#include "store/sample.hpp"

namespace mpira::store {

/// After `calls_until_cut` calls the power is cut. What is on the disk then: of every file the bytes as of
/// its last sync (none of a new file's), and of what was written since some sectors of 512 bytes, in any
/// order; of the renames since the folder was synced the first few (file systems keep them in order).
/// Everything then throws PowerCut, but for unlink(), which destructors call and which does nothing any more.
///
/// Who wrote does not matter: a file's present bytes are compared with those at its last sync. At the start
/// everything in the folder counts as synced. Nothing is really synced.
class PowerCutIo final : public FaultyIo {
public:
    struct PowerCut : std::exception {};

    PowerCutIo(std::filesystem::path folder, std::uint32_t seed, std::uint64_t calls_until_cut)
        : folder_(std::move(folder)), draws_(11, Stream::tests, seed), calls_left_(calls_until_cut) {
        for (auto const& file : files()) synced_[inode_of(file)] = sample::bytes_of(file);
    }

    std::int64_t pwrite(int descriptor, std::span<std::byte const> bytes, std::uint64_t offset) override {
        count_call();
        return FaultyIo::pwrite(descriptor, bytes, offset);
    }
    int fdatasync(int descriptor) override { return fsync(descriptor); }
    int fsync(int descriptor) override {
        count_call();
        struct stat info {};
        if (::fstat(descriptor, &info) != 0) return -1;
        for (auto const& file : files())
            if (inode_of(file) == info.st_ino) synced_[info.st_ino] = sample::bytes_of(file);
        return 0;
    }
    int reserve(int descriptor, std::uint64_t bytes) override {
        count_call();
        return FaultyIo::reserve(descriptor, bytes);
    }
    int rename(std::filesystem::path const& from, std::filesystem::path const& to) override {
        count_call();
        int const code = FaultyIo::rename(from, to);
        if (code == 0) renames_.emplace_back(from, to);
        return code;
    }
    int rename_new(std::filesystem::path const& from, std::filesystem::path const& to) override {
        count_call();
        int const code = FaultyIo::rename_new(from, to);
        if (code == 0) renames_.emplace_back(from, to);
        return code;
    }
    int unlink(std::filesystem::path const& file) override { return cut_ ? 0 : FaultyIo::unlink(file); }
    int sync_folder(std::filesystem::path const& /*folder*/) override {
        count_call();
        renames_.clear();
        return 0;
    }
    [[nodiscard]] std::uint64_t calls() const { return calls_; }

private:
    [[nodiscard]] std::vector<std::filesystem::path> files() const {
        std::vector<std::filesystem::path> found;
        for (auto const& entry : std::filesystem::directory_iterator(folder_)) found.push_back(entry.path());
        std::sort(found.begin(), found.end());  // so that a seed means one thing
        return found;
    }
    static ino_t inode_of(std::filesystem::path const& file) {
        struct stat info {};
        return ::stat(file.c_str(), &info) == 0 ? info.st_ino : 0;
    }
    void count_call() {
        ++calls_;
        if (!cut_ && calls_left_-- > 0) return;
        if (!cut_) lose_power();
        cut_ = true;
        throw PowerCut();
    }
    void lose_power() {
        for (auto const& file : files()) {
            auto const now = sample::bytes_of(file);
            auto const& safe = synced_[inode_of(file)];
            if (now != safe) write(file, mixture(now, safe));
        }
        auto const kept = draws_.below(renames_.size() + 1);
        for (; renames_.size() > kept; renames_.pop_back())
            std::filesystem::rename(renames_.back().second, renames_.back().first);
    }
    std::string mixture(std::string const& now, std::string const& safe) {
        std::size_t const size = draws_.below(2) == 0 ? now.size() : safe.size();
        std::string mixed = safe;
        mixed.resize(size, '\0');
        constexpr std::uint64_t kFates = 3;
        std::uint64_t const fate = draws_.below(kFates);  // all lost, all there, some of it
        constexpr std::size_t kSector = 512;
        for (std::size_t at = 0; at < std::min(size, now.size()); at += kSector) {
            bool const lands = fate == 1 || (fate == 2 && draws_.below(2) == 0);
            if (lands) mixed.replace(at, std::min(kSector, size - at), now, at, std::min(kSector, size - at));
        }
        return mixed;
    }
    static void write(std::filesystem::path const& file, std::string const& bytes) {
        std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
    }

    std::filesystem::path folder_;
    Draws draws_;
    std::uint64_t calls_left_;
    std::uint64_t calls_ = 0;
    bool cut_ = false;
    std::map<ino_t, std::string> synced_;
    std::vector<std::pair<std::filesystem::path, std::filesystem::path>> renames_;
};

/// How many seeds a test tries: MPIRA_CRASH_SEEDS, which a nightly run may set, or the number for every day.
inline std::uint32_t crash_seeds(std::uint32_t every_day) {
    char const* const wanted = std::getenv("MPIRA_CRASH_SEEDS");
    return wanted != nullptr ? static_cast<std::uint32_t>(std::strtoul(wanted, nullptr, 10)) : every_day;
}

}  // namespace mpira::store
