#include "train/run_lock.hpp"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"

namespace mpira::train {

RunLock::RunLock(std::filesystem::path const& metrics) : metrics_(metrics) {
    constexpr std::chrono::seconds kPatience{5};
    constexpr std::chrono::milliseconds kNap{50};
    descriptor_ = ::open(metrics.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
    require(descriptor_ >= 0, fmt::format("{} can't be written: {}", metrics.string(), std::strerror(errno)));
    auto const begin = std::chrono::steady_clock::now();
    for (bool told = false; ::flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;) {
        auto const waited = std::chrono::steady_clock::now() - begin;
        if (waited > kPatience) {
            ::close(descriptor_);
            fail_usage(
                fmt::format("{} is being written by another mpira train; stop that run, or choose "
                            "another --output",
                            metrics.string()));
        }
        if (!told && waited > 10 * kNap) {  // not for somebody who asks for the status
            log::info("{}: waiting up to {} s for another run that writes it", metrics.string(),
                      kPatience.count());
            told = true;
        }
        std::this_thread::sleep_for(kNap);
    }
}

RunLock::~RunLock() {
    std::error_code code;
    if (std::filesystem::file_size(metrics_, code) == 0 && !code) std::filesystem::remove(metrics_, code);
    ::close(descriptor_);
}

bool RunLock::is_held(std::filesystem::path const& metrics) {
    int const descriptor = ::open(metrics.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return false;
    bool const held = ::flock(descriptor, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    ::close(descriptor);
    return held;
}

}  // namespace mpira::train
