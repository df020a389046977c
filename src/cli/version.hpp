#pragma once

#include <string>

namespace mpira::cli {

/// The commit this program was built from, "unknown" outside a git checkout.
std::string git_id();
/// The day of that commit, "2026-11-27"; empty outside a git checkout.
std::string git_day();

/// "mpira 0.1.0".
std::string release_name();
/// "mpira 0.1.0 (git 0123abcd)".
std::string program_name();
/// "0.1.0 (git 1a2b3c, LibTorch 2.11.0)": what the bytes of a result depend on.
std::string build_name();

/// What `mpira --version` prints: mpira, MPI, HDF5, LibTorch, compiler, one a line.
std::string versions();

}  // namespace mpira::cli
