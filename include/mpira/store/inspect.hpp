#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "mpira/store/in_flight.hpp"
#include "mpira/store/owner.hpp"

/// What `mpira status`, `verify` and `seal` tell of a result file, from the file alone. Serial, no MPI;
/// status and verify only read, and disturb no campaign that is writing. Errors: Origin::usage for a file
/// that is no result of mpira.
namespace mpira::store {

struct MachineShare {
    std::string machine;  ///< host and device model
    std::uint64_t units = 0;
    double seconds = 0;  ///< sum over its units
};

struct FailedUnit {
    std::uint64_t unit = 0;
    std::uint64_t first_row = 0;
    int attempt = 0;
    std::string machine;
    std::string error;
    bool cut = false;  ///< only the beginning of the text is left; the run's log has it whole
};

struct Status {
    std::string job;
    std::string version;  ///< of the mpira that created the file
    std::uint64_t rows = 0;
    std::uint64_t rows_done = 0;
    std::uint64_t units = 0;
    std::uint64_t done = 0;
    std::uint64_t failed = 0;
    std::uint64_t running = 0;  ///< in flight; 0 without a living owner
    std::uint64_t torn = 0;     ///< journal rows with a bad CRC: will be run again
    bool finished = false;      ///< all done (recounted) and Job::finish written
    bool sealed = false;
    std::optional<double> units_per_s;   ///< over the latest units, gaps between runs left out
    std::optional<double> eta_s;         ///< only while an owner is alive
    std::vector<MachineShare> machines;  ///< most units first
    std::optional<OwnerInfo> owner;
    bool owner_alive = false;
    std::uint64_t charges = 0;  ///< sum over units that are not done: how often they ended their process
    /// How the last run ended, if it died; nothing after one that left in good order, and while one is at
    /// work.
    std::optional<Blamed> death;
    std::vector<FailedUnit> first_errors;  ///< at most 10
    nlohmann::json identity;

    [[nodiscard]] std::uint64_t left() const { return units - done - failed; }
};

Status status(std::filesystem::path const& file);

/// A done unit as its journal row has it.
struct UnitTime {
    std::uint64_t unit = 0;
    std::int64_t finished_ms = 0;  ///< Unix time in milliseconds when it was committed
    double seconds = 0;            ///< what computing it took
    std::uint32_t machine = 0;     ///< index into UnitTimes::machines
    std::uint16_t attempt = 0;
};

struct UnitTimes {
    std::vector<std::string> machines;  ///< in order of first commit
    std::vector<UnitTime> units;        ///< by finished_ms, then unit
};

/// When each done unit was finished, where, and how long it took; 32 bytes a unit.
UnitTimes unit_times(std::filesystem::path const& file);

struct Verdict {
    std::uint64_t checked = 0;            ///< done units whose data was read and compared
    std::vector<std::uint64_t> bad;       ///< their data differs from the journal's CRC
    std::vector<std::uint64_t> torn;      ///< journal rows that don't hold together
    std::vector<std::uint64_t> unmarked;  ///< done units whose obs/done is not set throughout
    /// Names, settings, fixed arrays and HDF5's own tables are as they were written; nothing for a file of an
    /// earlier version, which has no checksum of them.
    std::optional<bool> tables;
    [[nodiscard]] bool good() const {
        return bad.empty() && torn.empty() && unmarked.empty() && tables.value_or(true);
    }
};

/// Called now and then with units looked at and units in all.
using Progress = std::function<void(std::uint64_t done, std::uint64_t all)>;

/// Reads every done unit again: row arrays, obs/done and journal; then everything else in the file, which has
/// one checksum of its own. Also for sealed files.
Verdict verify(std::filesystem::path const& file, Progress const& progress = {});

struct SealOptions {
    bool partial = false;  ///< also seal a file whose campaign is not finished
    bool overwrite = false;
    int level = 4;         ///< of gzip
    FileIo* io = nullptr;  ///< nullptr: the system's
};

/// Writes a compressed copy (gzip and shuffle, chunked by whole units) in which every unit's CRC was checked
/// on the way in and read back before the copy gets its name. The source is only read. Throws Origin::usage
/// for a file whose journal does not hold all units as done, or whose tables are damaged, and names the units
/// of a damaged one.
void seal(std::filesystem::path const& file, std::filesystem::path const& out,
          SealOptions const& options = {}, Progress const& progress = {});

}  // namespace mpira::store
