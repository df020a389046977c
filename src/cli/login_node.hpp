#pragma once

#include <string>

namespace mpira::cli {

/// Where this host has a batch system's submit command (sbatch, qsub, bsub) and this process belongs to no
/// batch job: a line that says so, because it may be a login node. Empty otherwise.
std::string login_node_hint();

}  // namespace mpira::cli
