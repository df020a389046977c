#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mpira/store/file_io.hpp"
#include "mpira/store/job.hpp"
#include "mpira/store/journal.hpp"
#include "mpira/store/layout.hpp"

namespace mpira::store {

/// How row bytes reach the file. Both give the same bytes; src/store/README.md has the measurement behind the
/// default.
enum class WriteMode : std::uint8_t {
    direct,  ///< pwrite at the dataset's offset, on a descriptor of our own
    mpiio,   ///< HDF5 with the MPI-IO driver on MPI_COMM_SELF, independent hyperslabs. Needs MPI.
};

struct CreateOptions {
    bool reserve = true;  ///< take the disk blocks now (posix_fallocate) instead of meeting a full disk later
    int stripes = 0;      ///< over so many of Lustre's storage targets; -1: all, 0: as the folder says
    bool overwrite = false;    ///< an existing file is renamed to FILE.old; without: a usage error
    double owner_wait_s = 15;  ///< how long to wait for the owner of the file that is to be overwritten
    std::string program = {};  ///< the build that makes it, for whoever goes on; empty: the version alone
    FileIo* io = nullptr;      ///< nullptr: the system's
};

struct OpenOptions {
    WriteMode mode = WriteMode::direct;
    FileIo* io = nullptr;  ///< nullptr: the system's. mpiio writes rows past it.
};

/// How much of the finished data a resume reads again and compares with the journal's CRCs.
enum class CheckRows : std::uint8_t {
    none,
    sample,  ///< the 64 units finished last, and one in 64 of the others
    all
};

/// What is known about a run of a unit besides its rows.
struct UnitReport {
    std::uint16_t attempt = 1;
    double seconds = 0;
    std::string machine;  ///< machine_text()
};

struct FinishedUnit {
    UnitRows const* rows = nullptr;  ///< not owned
    UnitReport report;
};

/// The result of a campaign: an AnnData .h5ad that anndata.read_h5ad opens at every moment of its life.
///
/// Life: create() on one process; then, on every process that writes, open(), commit()..., then, on one
/// process and when all units are done, finish(). After create() nothing but fixed byte ranges is ever
/// written: rows, obs/done, journal rows, the owner record, the finished mark. A crash at any point therefore
/// leaves a file that opens, and loses no unit whose commit() returned.
///
/// Writers share nothing but the file: each unit is written by one process at a time, and no call here is
/// collective. Move-only. Threads: one thread a process (HDF5 is not thread-safe), not the leader's.
/// Errors: Origin::usage for a file or folder that can't be used, Origin::system for a disk that fails.
class ResultFile {
public:
    /// Bytes the file will have, nearly: what is compared with the free space.
    static std::uint64_t planned_bytes(ResultLayout const& layout, ResultTables const& tables);

    /// Makes the file complete but for its rows, under a temporary name, and renames it into place. Call on
    /// one process; the others open() after it returned. Checks the layout and the tables: row arrays "X" and
    /// "layers/*" are (rows, var), "obs/*" one value a row, "obsm/*" and others anything; names unique.
    static void create(std::filesystem::path const& file, ResultLayout const& layout,
                       ResultTables const& tables, CreateOptions const& options = {});

    /// Refuses by name, with both values, a file of another job, cut, or identity, and a sealed or foreign
    /// file. Only reads: for the moment before the file is claimed.
    static void require_same(std::filesystem::path const& file, ResultLayout const& layout);

    /// Opens it for writing rows. Refuses what require_same() refuses. Reads the journal; a torn row counts
    /// as open.
    static ResultFile open(std::filesystem::path const& file, ResultLayout const& layout,
                           OpenOptions const& options = {});

    ResultFile(ResultFile&& other) noexcept;
    ResultFile& operator=(ResultFile&& other) noexcept;
    ResultFile(ResultFile const&) = delete;
    ResultFile& operator=(ResultFile const&) = delete;
    ~ResultFile();

    /// One state a unit, as of open() and of what this process wrote since.
    [[nodiscard]] std::span<UnitState const> states() const;
    /// A unit's journal row, from the file now.
    [[nodiscard]] JournalRow journal(std::uint64_t unit) const;
    [[nodiscard]] bool finished() const;

    /// Journals that a unit is being run, not synced: after a kill it shows which units were in flight.
    /// Nothing where the file says done: a run that has taken over from this one was faster.
    void mark_running(std::uint64_t unit, UnitReport const& report);

    /// Rows, sync, then obs/done and journal rows, sync: when it returns, the units survive a power cut. A
    /// failed sync is never simply repeated: its rows count as unwritten and are written once more; a second
    /// failure is an Error, and the units stay not done.
    void commit(std::span<FinishedUnit const> units);

    /// What is held against units that are not done, as of open(), reload_states() and this process's own
    /// writes.
    [[nodiscard]] std::map<std::uint64_t, Blame> const& blamed() const;
    /// Writes it to the unit's journal row, with the reason, and makes the unit open (synced).
    void set_blame(std::uint64_t unit, Blame blame, std::string_view why);

    /// Sets a unit aside with its error (synced): the journal keeps the first kErrorBytes of the text, a slot
    /// beside it kErrorSlotBytes. Nothing where the file says done.
    void record_failure(std::uint64_t unit, UnitReport const& report, std::string_view message);

    /// Reads the data of done units again, share `part` of `parts`, and compares CRCs. Those that differ
    /// become open again, in the file too, and are returned in ascending order.
    std::vector<std::uint64_t> check_rows(CheckRows how, std::uint64_t part = 0, std::uint64_t parts = 1);

    /// Takes the journal's word for units that other processes changed since open().
    void reload_states();

    /// Reads the states again; all units must be done. Gives `fill` the finished rows (mapped) and the
    /// FixedArrays that were left empty (zeroed), writes those, syncs, and then sets the finished mark. Call
    /// on one process. Repeatable.
    void finish(std::function<void(FinishedRows&)> const& fill);

private:
    struct State;
    explicit ResultFile(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace mpira::store
