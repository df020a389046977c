#pragma once

#include <filesystem>

namespace mpira::train {

/// That one process at a time writes the files of a training: a lock of W.metrics.jsonl, which the kernel
/// takes back when its process ends, however it ends. Where the file system has no locks, nothing is held.
///
/// Made by rank 0 for as long as it writes. Not movable. Threads: one.
class RunLock {
public:
    /// Makes the file where there is none. Waits a few seconds for a run that is ending, then a usage error
    /// that names the file.
    explicit RunLock(std::filesystem::path const& metrics);
    RunLock(RunLock const&) = delete;
    RunLock& operator=(RunLock const&) = delete;
    /// Takes an empty file away: a run that came to nothing leaves nothing.
    ~RunLock();

    /// Whether a run holds it now. Disturbs nobody; false where there is no such file, or no locks.
    [[nodiscard]] static bool is_held(std::filesystem::path const& metrics);

private:
    std::filesystem::path metrics_;
    int descriptor_ = -1;
};

}  // namespace mpira::train
