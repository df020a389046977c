#pragma once

#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>

namespace mpira {

/// Who said no. Decides the exit code (usage: 2, stopped: 3, everything else: 1) and who should read the
/// message.
enum class Origin { usage, stopped, mpi, nccl, cuda, hdf5, torch, system, internal };

/// The one exception type of the project: what failed, who said so, and where in our code we stood.
///
/// A message names the culprit (file, line, key), says what was expected, and ends in what to do.
class Error : public std::runtime_error {
public:
    Error(Origin origin, std::string_view what, std::source_location where = std::source_location::current());

    [[nodiscard]] Origin origin() const noexcept { return origin_; }
    [[nodiscard]] std::source_location where() const noexcept { return where_; }
    /// 2 for usage, 3 for stopped (run again to resume), 1 otherwise.
    [[nodiscard]] int exit_code() const noexcept;

private:
    Origin origin_;
    std::source_location where_;
};

/// The user's input is wrong: a bad argument, a bad config, a bad file. Checked in every build.
void require(bool holds, std::string_view message,
             std::source_location where = std::source_location::current());

/// Throws the usage error itself, for messages that cost something to build.
[[noreturn]] void fail_usage(std::string_view message,
                             std::source_location where = std::source_location::current());

/// We are wrong, not the user: a broken invariant of ours. Checked in every build, exit code 1.
void ensure(bool holds, std::string_view message,
            std::source_location where = std::source_location::current());

/// Throws Origin::system with strerror(errno) and the name of what was being done to which file.
[[noreturn]] void fail_errno(std::string_view doing, std::string_view file,
                             std::source_location where = std::source_location::current());

}  // namespace mpira
