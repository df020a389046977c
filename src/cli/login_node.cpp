#include "cli/login_node.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <string_view>

#include <fmt/format.h>

#include "mpira/comm/runtime.hpp"

namespace mpira::cli {
namespace {

bool is_in_path(std::string_view program) {
    char const* const value = std::getenv("PATH");
    std::string_view rest = value != nullptr ? value : "";
    while (!rest.empty()) {
        auto const end = std::min(rest.find(':'), rest.size());
        std::error_code code;
        if (std::filesystem::is_regular_file(std::filesystem::path(rest.substr(0, end)) / program, code))
            return true;
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return false;
}

}  // namespace

std::string login_node_hint() {
    // Slurm; PBS, Torque; LSF; Grid Engine; Flux
    for (char const* const job : {"SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID", "FLUX_JOB_ID"})
        if (std::getenv(job) != nullptr) return {};
    for (char const* const submit : {"sbatch", "qsub", "bsub"})
        if (is_in_path(submit))
            return fmt::format(
                "{} has {} and this is no batch job: if it is a login node, stop here (^C; what is done is "
                "kept) "
                "and submit the same words{}",
                comm::host_name(), submit,
                std::string_view(submit) == "sbatch" ? ": sbatch launch/slurm.sbatch ..." : "");
    return {};
}

}  // namespace mpira::cli
