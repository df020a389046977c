#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "mpira/store/result_file.hpp"

namespace mpira::schedule {

/// What a start has to run, and how.
struct Work {
    std::vector<std::uint64_t> to_do;
    std::vector<std::uint64_t> suspects;  ///< of these, those to be run in quarantine
    std::uint64_t done = 0;
    std::uint64_t set_aside = 0;  ///< they ended their process kMostCharges times, and are not run now
};

/// Reads what the last run left beside the file, says how it died, writes charges and suspicions to the
/// journal, and sets units aside that have reached kMostCharges; then starts a new record with `slots` slots.
/// Returns whether there is one: where the folder or the disk takes none, the run goes on without, with a
/// warning.
///
/// A unit set aside for its charges is run again only by a start that finds nothing else left: its charges
/// are then forgotten. On one process, the owner, while nobody else writes; the others reload_states()
/// afterwards.
[[nodiscard]] bool settle_blame(store::ResultFile& file, std::filesystem::path const& result, int slots);

Work work_left(store::ResultFile const& file);

}  // namespace mpira::schedule
