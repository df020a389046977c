#include "cli/version.hpp"

#include <fmt/format.h>

#include "mpira/comm/runtime.hpp"

#include "git_id.hpp"

namespace mpira::cli {

std::string git_id() {
    return kGitId;
}

std::string git_day() {
    return kGitDay;
}

std::string release_name() {
    return fmt::format("mpira {}", MPIRA_VERSION);
}

std::string program_name() {
    return fmt::format("{} (git {})", release_name(), git_id());
}

std::string build_name() {
    return fmt::format("{} (git {}, LibTorch {})", MPIRA_VERSION, git_id(), MPIRA_LIBTORCH_VERSION);
}

std::string versions() {
    return fmt::format("{}\nMPI: {}\nHDF5: {}\nLibTorch: {}\ncompiler: {}\n", program_name(),
                       comm::library_version(), MPIRA_HDF5_VERSION, MPIRA_LIBTORCH_VERSION, __VERSION__);
}

}  // namespace mpira::cli
