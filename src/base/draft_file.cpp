#include "mpira/base/draft_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"

namespace mpira {
namespace {

constexpr std::size_t kDrawnDigits = 16;
constexpr std::string_view kSuffix = ".draft";
constexpr mode_t kMode = 0640;
constexpr auto kNothing = static_cast<std::uintmax_t>(-1);  // std::filesystem's "it failed"

class Closing {
public:
    explicit Closing(int descriptor) : descriptor_(descriptor) {}
    Closing(Closing const&) = delete;
    Closing& operator=(Closing const&) = delete;
    ~Closing() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }
    [[nodiscard]] int get() const { return descriptor_; }
    int release() { return std::exchange(descriptor_, -1); }

private:
    int descriptor_;
};

bool is_draft_of(std::filesystem::path const& target, std::string const& name) {
    std::string const prefix = fmt::format(".{}.", target.filename().string());
    return name.size() == prefix.size() + kDrawnDigits + kSuffix.size() && name.starts_with(prefix) &&
           name.ends_with(kSuffix) &&
           name.find_first_not_of("0123456789abcdef", prefix.size()) == name.size() - kSuffix.size();
}

bool has_name(int descriptor) {
    struct stat info {};
    return ::fstat(descriptor, &info) == 0 && info.st_nlink > 0;
}

/// A file that another program has just made for us: really ours and empty, with no more than a draft's mode.
/// -1 and errno as ::open.
int open_made(std::filesystem::path const& path) {
    Closing made(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (made.get() < 0) return -1;
    struct stat info {};
    bool const ours = ::fstat(made.get(), &info) == 0 && S_ISREG(info.st_mode) &&
                      info.st_uid == ::geteuid() && info.st_nlink == 1 && info.st_size == 0;
    if (ours && ::fchmod(made.get(), info.st_mode & kMode) == 0) return made.release();
    errno = EPERM;
    return -1;
}

bool is_in(std::filesystem::path const& folder, std::filesystem::path const& file) {
    std::error_code unknown;
    if (file.empty() || !std::filesystem::is_directory(folder, unknown)) return false;
    auto const outer = std::filesystem::canonical(folder, unknown);
    auto const inner = std::filesystem::canonical(file, unknown);
    return !outer.empty() && !unknown &&
           std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

void sync_folder(std::filesystem::path const& folder) {
    Closing const directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.get() < 0 || ::fsync(directory.get()) != 0) fail_errno("syncing folder", folder.string());
}

}  // namespace

std::filesystem::path folder_of(std::filesystem::path const& file) {
    return file.has_parent_path() ? file.parent_path() : ".";
}

std::filesystem::path draft_name(std::filesystem::path const& target) {
    std::random_device draw;
    return folder_of(target) /
           fmt::format(".{}.{:08x}{:08x}{}", target.filename().string(), draw(), draw(), kSuffix);
}

void remove_leftover_drafts(std::filesystem::path const& target,
                            std::function<int(std::filesystem::path const&)> const& unlink) {
    std::error_code code;
    for (auto const& entry : std::filesystem::directory_iterator(folder_of(target), code)) {
        auto const& path = entry.path();
        if (!is_draft_of(target, path.filename().string())) continue;
        bool const is_folder = entry.is_directory(code) && !entry.is_symlink(code);
        Closing const left(::open(path.c_str(), (is_folder ? O_RDONLY | O_DIRECTORY : O_RDWR) | O_NOFOLLOW |
                                                    O_NONBLOCK | O_CLOEXEC));
        if (left.get() < 0 || ::flock(left.get(), LOCK_EX | LOCK_NB) != 0)
            continue;  // alive, or no locks here
        if (is_folder ? std::filesystem::remove_all(path, code) != kNothing : unlink(path) == 0)
            log::info("{}: removed, left by a creation that was killed", path.string());
    }
}

OpenDraft open_draft(std::filesystem::path const& target,
                     std::function<bool(std::filesystem::path const&)> const& make) {
    constexpr int kTries = 100;
    for (int i = 0; i < kTries; ++i) {
        auto path = draft_name(target);
        Closing made(make && make(path)
                         ? open_made(path)
                         : ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kMode));
        if (made.get() < 0) {
            if (errno == EEXIST) continue;
            fail_usage(fmt::format("output {}: can't create a file in {}: {}", target.string(),
                                   folder_of(target).string(), std::strerror(errno)));
        }
        // Between the two calls another creation may take it for a leftover. Without locks there, none does.
        bool const taken = ::flock(made.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
        if (!taken && has_name(made.get())) return {std::move(path), made.release()};
    }
    ensure(false, "no name for a draft of " + target.string());
    return {};
}

std::filesystem::path aside_name(std::filesystem::path const& target) {
    std::filesystem::path aside(target.string() + ".old");
    for (int i = 2; std::filesystem::exists(std::filesystem::symlink_status(aside)); ++i)
        aside = fmt::format("{}.old.{}", target.string(), i);
    return aside;
}

bool same_file(std::filesystem::path const& one, std::filesystem::path const& other) {
    std::error_code unknown;
    return std::filesystem::equivalent(one, other, unknown) && !unknown;
}

void require_file_or_nothing(std::filesystem::path const& output) {
    std::error_code unknown;
    auto const status = std::filesystem::status(output, unknown);
    if (!std::filesystem::exists(status) || std::filesystem::is_regular_file(status)) return;
    fail_usage(fmt::format("output {} is {}; name a file", output.string(),
                           std::filesystem::is_directory(status) ? "a folder" : "a device or pipe"));
}

void refuse_input_as_output(std::filesystem::path const& output,
                            std::span<std::filesystem::path const> inputs) {
    for (auto const& input : inputs) {
        require(!same_file(input, output),
                fmt::format("output {} is {}, which is read here; name another --output", output.string(),
                            input == output ? "an input" : input.string()));
        require(!is_in(output, input),
                fmt::format("output {} is a folder that holds {}, which is read here; name another --output",
                            output.string(), input.string()));
    }
}

void replace_file(std::filesystem::path const& file, std::function<void(int descriptor)> const& write) {
    auto const unlink = [](std::filesystem::path const& path) { return ::unlink(path.c_str()); };
    remove_leftover_drafts(file, unlink);
    auto const draft = open_draft(file);
    Closing const open(draft.descriptor);
    try {
        write(open.get());
        if (::fsync(open.get()) != 0) fail_errno("syncing", file.string());
        if (::rename(draft.path.c_str(), file.c_str()) != 0) fail_errno("renaming to", file.string());
    } catch (...) {
        unlink(draft.path);
        throw;
    }
    sync_folder(folder_of(file));
}

}  // namespace mpira
