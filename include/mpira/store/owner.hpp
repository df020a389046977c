#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "mpira/base/unwinding.hpp"
#include "mpira/store/file_io.hpp"

namespace mpira::store {

inline constexpr std::size_t kOwnerBytes = 512;

/// Who is writing a result file, as its owner record says (uns/mpira/owner).
struct OwnerInfo {
    std::string host;
    std::int64_t pid = 0;
    std::string job;  ///< the launcher's name of this run: "slurm 4711", or "" outside a scheduler
    std::int64_t started_ms = 0;
    std::int64_t heartbeat_ms = 0;
    /// Says that the process is gone for sure (same host and pid namespace, no such process), still there for
    /// sure, or nothing (another host).
    [[nodiscard]] std::optional<bool> process_alive() const;
    /// Alive, or on another host with a heartbeat of the last kStaleHeartbeat_s.
    [[nodiscard]] bool alive() const;

    std::uint64_t process_start = 0;  ///< tells a reused pid
    std::string pid_namespace;
    std::uint64_t token = 0;  ///< drawn at claim(): tells this claim from any other
};

/// A heartbeat older than this means a dead owner where its process can't be seen.
inline constexpr double kStaleHeartbeat_s = 60;

/// The one owner of a result file: made by rank 0 before the others open it, for as long as the run writes.
///
/// The record is read and written under an fcntl OFD lock of its bytes, held for that moment only (flock of a
/// reader would meet it on NFS otherwise). Two owners at once, should it ever come to that, do no harm to the
/// bytes: units are deterministic. Move-only. Threads: heartbeat() may be called from another thread than the
/// one that made it, one at a time; no HDF5 is called after claim().
class Owner {
public:
    /// Waits up to wait_s while another owner lives (it may be dying), then refuses with a usage error:
    /// "owned by host H pid P since ..., last heartbeat 3 s ago". A stale owner is taken over, with a warning
    /// in the log.
    static Owner claim(std::filesystem::path const& file, std::string_view job, double wait_s = 15,
                       FileIo& io = system_io());

    Owner(Owner&& other) noexcept;
    Owner& operator=(Owner&& other) = delete;
    Owner(Owner const&) = delete;
    Owner& operator=(Owner const&) = delete;
    /// Releases, unless an exception is passing: other ranks may still write then, and the next start sees
    /// that this process is gone.
    ~Owner();

    /// Call every few seconds. Cheap (one small write, no sync). Throws Origin::system when another owner has
    /// taken the file over, or the file's name leads to it no more.
    void heartbeat();
    /// Zeroes the record, so that a finished file holds no trace of who made it.
    void release();

private:
    void require_name() const;
    Owner(std::filesystem::path file, Descriptor descriptor, std::uint64_t offset, OwnerInfo info,
          FileIo& io);
    std::filesystem::path file_;
    Descriptor descriptor_;
    std::uint64_t offset_ = 0;
    OwnerInfo info_;
    FileIo* io_;
    UnwindingProbe probe_;
};

/// The owner record of a file, or nothing when nobody owns it. Disturbs nobody.
std::optional<OwnerInfo> read_owner(std::filesystem::path const& file);

}  // namespace mpira::store
