#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mpira/store/file_io.hpp"

/// Which unit each rank is computing, and how each rank ended: a small file beside the result
/// (RESULT.flight), there while a run is at work and after one that died. From it the next start learns whose
/// unit brought the run down. It outlives a process, not a power cut: nothing is synced, and what does not
/// hold together counts as not written.
///
/// In the file, little-endian: a header of 128 bytes, then a slot of 256 bytes a rank. A slot has four parts
/// of 64 bytes, each with a CRC of its own and one writer: the unit at hand (the rank), its end (the rank, in
/// a signal handler too), an accusation (the leader), the host.
namespace mpira::store {

enum class EndKind : std::uint32_t {
    none = 0,
    stopped = 1,  ///< was asked to end: SIGTERM, SIGUSR1, SIGINT
    fatal = 2,    ///< SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL
    hung = 3,     ///< the leader's verdict: too long at one unit
    threw = 4,    ///< an error outside of any unit
    left = 5      ///< ran to the end
};

struct RankFlight {
    std::string host;                   ///< empty: it never came to its slot
    std::optional<std::uint64_t> unit;  ///< being computed when the rank was last heard of
    bool suspect = false;               ///< it was being run in quarantine
    EndKind end = EndKind::none;
    int signal = 0;
    std::int64_t ended_ms = 0;
};

struct FlightReport {
    std::vector<RankFlight> ranks;
};

/// RESULT.flight
std::filesystem::path flight_file(std::filesystem::path const& result);
/// What the last run left; nothing after one that ended in good order, or where the file can't be read.
std::optional<FlightReport> read_flight(std::filesystem::path const& result);
/// A new, empty one, under a new inode: an old rank that still lives keeps the old one. By one process.
/// Throws where the folder or the disk takes none, and leaves none then.
void create_flight(std::filesystem::path const& result, int slots);
void remove_flight(std::filesystem::path const& result);

/// A rank's own slot. Move-only by unique_ptr: signal handlers know its address. Threads: begin(), end() from
/// one; note() and accuse() from any.
class FlightSlot {
public:
    FlightSlot() = default;  ///< a run without a record: notes nothing
    /// Throws where there is no record that can be written.
    FlightSlot(std::filesystem::path const& result, int rank, std::string_view host);
    FlightSlot(FlightSlot const&) = delete;
    FlightSlot& operator=(FlightSlot const&) = delete;

    /// About 1 us each, no sync. A disk that takes no write is told once in the log and otherwise ignored.
    void begin(std::uint64_t unit, bool suspect);
    void end();  ///< nothing where begin() was not called since
    /// How this rank ends; only the first call counts. Async-signal-safe.
    void note(EndKind kind, int signal = 0) noexcept;
    /// Notes for another rank that it hung with `claimed` as its unit; `in_it`: its slot said so just now,
    /// which counts whatever the rank writes afterwards, `suspect`: in quarantine.
    void accuse(int rank, std::uint64_t claimed, bool in_it, bool suspect) noexcept;

private:
    void write_work(bool busy, std::uint64_t unit, bool suspect);
    Descriptor file_;
    int rank_ = 0;
    bool busy_ = false;
    bool warned_ = false;
    std::atomic<bool> noted_{false};
};

/// How a rank ended, for people: "rank 1 on node7: Segmentation fault (signal 11) in unit 17".
std::string how_it_ended(std::size_t number, RankFlight const& rank);

/// Who is to blame for the end of a run.
struct Blamed {
    std::string cause;  ///< "rank 1 on node7: Segmentation fault (signal 11) in unit 17"
    /// The unit that ended the rank that died first.
    std::optional<std::uint64_t> charged;
    /// In flight on a rank that vanished without a word while the others had the time to note a signal.
    std::vector<std::uint64_t> suspects;  ///< as `seen`: each unit once, in ascending order
    /// In flight on one of several ranks that vanished together (a host, the launcher, a kill of all).
    std::vector<std::uint64_t> seen;
    bool stopped = false;  ///< nothing but signals that ask to end: a time limit, a user
};

/// The earliest of fatal signals, hangs and errors decides; an error outside of units, a signal that asks to
/// end, and a death outside of a unit charge nobody. Without any of these, ranks that vanished in silence
/// (SIGKILL, out of memory) are looked at: one alone makes its unit a suspect, and is charged if it was
/// running in quarantine; of several, units in quarantine are charged and the others `seen`. Where every rank
/// vanished, of two units or more, nobody is charged: all are `seen`. A unit is in quarantine when one of the
/// slots that hold it says so.
Blamed judge(FlightReport const& report);

}  // namespace mpira::store
