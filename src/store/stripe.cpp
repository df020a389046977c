#include "store/stripe.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>
#include <spawn.h>

#include "mpira/base/error.hpp"

namespace mpira::store {

bool is_on_lustre(std::filesystem::path const& folder) {
    constexpr decltype(statfs::f_type) kLustre = 0x0BD00BD0;  // LL_SUPER_MAGIC, as `stat -f` knows it
    struct statfs info {};
    return ::statfs(folder.c_str(), &info) == 0 && info.f_type == kLustre;
}

void make_striped_by_lfs(std::filesystem::path const& file, int stripes) {
    auto const refuse = [&](std::string_view why) {
        fail_usage(
            fmt::format("store.stripe = {}: {}; without that setting the folder's own layout is taken "
                        "(lfs getstripe -d {})",
                        stripes, why, file.parent_path().string()));
    };
    std::array<std::string, 6> words{"lfs", "setstripe", "-c", std::to_string(stripes), "--", file.string()};
    std::array<char*, words.size() + 1> argv{};
    for (std::size_t i = 0; i < words.size(); ++i) argv.at(i) = words.at(i).data();
    pid_t child = -1;
    int const code = ::posix_spawnp(&child, "lfs", nullptr, nullptr, argv.data(), environ);
    if (code != 0)
        refuse(fmt::format("the program lfs, which Lustre's clients have, can't be run ({})",
                           std::strerror(code)));
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (status != 0) refuse(fmt::format("`lfs setstripe -c {}` failed for {}", stripes, file.string()));
}

}  // namespace mpira::store
