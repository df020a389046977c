#include "mpira/store/in_flight.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <set>
#include <span>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"

namespace mpira::store {
namespace {

constexpr std::uint32_t kMagic = 0x3146504D;  // "MPF1"
constexpr std::uint64_t kHeaderBytes = 128;
constexpr std::uint64_t kPartBytes = 64;
enum Part : std::uint64_t { kWork, kEnd, kAccusation, kHost, kParts };
constexpr std::uint64_t kSlotBytes = kParts * kPartBytes;

struct Header {
    std::uint32_t magic = kMagic;
    std::uint32_t crc = 0;
    std::uint32_t slots = 0;
    std::uint32_t slot_bytes = kSlotBytes;
    std::array<char, 112> zero{};
};
struct Work {
    std::uint32_t magic = kMagic;
    std::uint32_t crc = 0;
    std::uint64_t unit = 0;
    std::uint32_t busy = 0;
    std::uint32_t suspect = 0;
    std::array<char, 40> zero{};
};
struct End {
    std::uint32_t magic = kMagic;
    std::uint32_t crc = 0;
    std::uint32_t kind = 0;
    std::int32_t signal = 0;
    std::int64_t at_ms = 0;
    // Of an accusation: the claim it is about, and whether the rank was in it.
    std::uint64_t unit = 0;
    std::uint32_t busy = 0;
    std::uint32_t suspect = 0;
    std::array<char, 24> zero{};
};
struct Host {
    std::uint32_t magic = kMagic;
    std::uint32_t crc = 0;
    std::array<char, 56> name{};
};
static_assert(sizeof(Header) == kHeaderBytes && sizeof(Work) == kPartBytes && sizeof(End) == kPartBytes &&
              sizeof(Host) == kPartBytes);

/// Over what follows the crc. Plain arithmetic: may be called in a signal handler.
template <typename Record>
std::uint32_t crc_of(Record const& record) noexcept {
    return crc32(std::as_bytes(std::span(&record, 1)).subspan(2 * sizeof(std::uint32_t)));
}

template <typename Record>
bool put(int descriptor, Record record, std::uint64_t offset) noexcept {
    record.crc = crc_of(record);
    ssize_t written = 0;
    do written = ::pwrite(descriptor, &record, sizeof record, static_cast<off_t>(offset));
    while (written < 0 && errno == EINTR);
    return written == static_cast<ssize_t>(sizeof record);
}

template <typename Record>
std::optional<Record> get(int descriptor, std::uint64_t offset) {
    Record record;
    if (::pread(descriptor, &record, sizeof record, static_cast<off_t>(offset)) !=
        static_cast<ssize_t>(sizeof record))
        return std::nullopt;
    if (record.magic != kMagic || record.crc != crc_of(record)) return std::nullopt;
    return record;
}

std::uint64_t place(int rank, Part part) noexcept {
    return kHeaderBytes + static_cast<std::uint64_t>(rank) * kSlotBytes + part * kPartBytes;
}

/// system_clock::now() is not promised to be callable in a signal handler; clock_gettime is.
std::int64_t unix_ms() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1'000'000;
}

}  // namespace

std::filesystem::path flight_file(std::filesystem::path const& result) {
    auto file = result;
    return file += ".flight";
}

std::optional<FlightReport> read_flight(std::filesystem::path const& result) {
    Descriptor const file(::open(flight_file(result).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!file.is_open()) return std::nullopt;
    auto const header = get<Header>(file.get(), 0);
    struct stat info {};
    if (!header || header->slot_bytes != kSlotBytes || ::fstat(file.get(), &info) != 0 ||
        static_cast<std::uint64_t>(info.st_size) != kHeaderBytes + kSlotBytes * header->slots)
        return std::nullopt;
    FlightReport report;
    for (int rank = 0; rank < static_cast<int>(header->slots); ++rank) {
        auto& flight = report.ranks.emplace_back();
        if (auto const host = get<Host>(file.get(), place(rank, kHost)))
            flight.host.assign(host->name.begin(), std::find(host->name.begin(), host->name.end(), '\0'));
        if (auto const work = get<Work>(file.get(), place(rank, kWork)); work && work->busy != 0) {
            flight.unit = work->unit;
            flight.suspect = work->suspect != 0;
        }
        // An accused rank may have dropped its unit and noted the signal that ended it afterwards. What its
        // own part says counts only where the leader's claim is of the same unit: that of a rank that is
        // stuck between two units may still hold the one before.
        auto end = get<End>(file.get(), place(rank, kAccusation));
        if (end && end->busy != 0) {
            flight.unit = end->unit;
            flight.suspect = end->suspect != 0;
        } else if (end && flight.unit != end->unit) {
            flight.unit.reset();
            flight.suspect = false;
        }
        if (!end) end = get<End>(file.get(), place(rank, kEnd));
        if (!end || end->kind > static_cast<std::uint32_t>(EndKind::left)) continue;
        flight.end = static_cast<EndKind>(end->kind);
        flight.signal = end->signal;
        flight.ended_ms = end->at_ms;
    }
    return report;
}

void create_flight(std::filesystem::path const& result, int slots) {
    auto const name = flight_file(result);
    remove_flight(result);
    Descriptor const file(::open(name.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0640));
    if (!file.is_open()) fail_errno("creating", name.string());
    // Blocks now, so that a disk that fills later takes no slot away.
    if (int const code = ::posix_fallocate(
            file.get(), 0, static_cast<off_t>(kHeaderBytes + kSlotBytes * static_cast<unsigned>(slots)));
        code != 0) {
        ::unlink(name.c_str());
        errno = code;
        fail_errno("reserving", name.string());
    }
    Header header;
    header.slots = static_cast<std::uint32_t>(slots);
    if (put(file.get(), header, 0)) return;
    int const code = errno;
    ::unlink(name.c_str());
    errno = code;
    fail_errno("writing", name.string());
}

void remove_flight(std::filesystem::path const& result) {
    auto const name = flight_file(result);
    if (::unlink(name.c_str()) == 0 || errno == ENOENT) return;
    int const code = errno;
    if (::truncate(name.c_str(), 0) == 0) return;  // in a folder that can't be written: as good
    errno = code;
    fail_errno("deleting", name.string());
}

FlightSlot::FlightSlot(std::filesystem::path const& result, int rank, std::string_view host)
    : file_(::open(flight_file(result).c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW)), rank_(rank) {
    if (!file_.is_open()) fail_errno("opening", flight_file(result).string());
    Host record;
    std::copy_n(host.begin(), std::min(host.size(), record.name.size()), record.name.begin());
    if (!put(file_.get(), record, place(rank, kHost))) fail_errno("writing", flight_file(result).string());
}

void FlightSlot::begin(std::uint64_t unit, bool suspect) {
    write_work(true, unit, suspect);
}

void FlightSlot::end() {
    if (busy_) write_work(false, 0, false);
}

void FlightSlot::write_work(bool busy, std::uint64_t unit, bool suspect) {
    if (!file_.is_open()) return;
    busy_ = busy;
    Work record;
    record.unit = unit;
    record.busy = busy ? 1 : 0;
    record.suspect = suspect ? 1 : 0;
    if (put(file_.get(), record, place(rank_, kWork)) || warned_) return;
    warned_ = true;
    log::warning(
        "the unit at hand can't be noted beside the result ({}): should this rank die, nobody knows in which",
        std::strerror(errno));
}

void FlightSlot::note(EndKind kind, int signal) noexcept {
    if (!file_.is_open() || noted_.exchange(true)) return;
    End record;
    record.kind = static_cast<std::uint32_t>(kind);
    record.signal = signal;
    record.at_ms = unix_ms();
    put(file_.get(), record, place(rank_, kEnd));
}

void FlightSlot::accuse(int rank, std::uint64_t claimed, bool in_it, bool suspect) noexcept {
    if (!file_.is_open()) return;
    End record;
    record.unit = claimed;
    record.busy = in_it ? 1 : 0;
    record.suspect = suspect ? 1 : 0;
    record.kind = static_cast<std::uint32_t>(EndKind::hung);
    record.at_ms = unix_ms();
    put(file_.get(), record, place(rank, kAccusation));
}

std::string how_it_ended(std::size_t number, RankFlight const& rank) {
    auto const where =
        rank.unit ? fmt::format("in unit {}{}", *rank.unit, rank.suspect ? " (run in quarantine)" : "")
                  : std::string("outside of a unit");
    auto const who = fmt::format("rank {} on {}", number, rank.host);
    switch (rank.end) {
        case EndKind::fatal:
            return fmt::format("{}: {} (signal {}) {}", who, strsignal(rank.signal), rank.signal, where);
        case EndKind::hung:
            return fmt::format("{}: no progress {}", who, where);
        case EndKind::threw:
            return fmt::format("{}: an error outside of any unit (its message is in the log)", who);
        case EndKind::stopped:
            return fmt::format("{}: {} (signal {})", who, strsignal(rank.signal), rank.signal);
        case EndKind::left:
            return fmt::format("{}: left in good order", who);
        case EndKind::none:
            break;
    }
    return fmt::format("{}: vanished without a word (SIGKILL? out of memory?) {}", who, where);
}

Blamed judge(FlightReport const& report) {
    Blamed blamed;
    auto const& ranks = report.ranks;
    // Who spoke first.
    std::size_t first = ranks.size();
    std::vector<std::size_t> silent;
    std::size_t stopped = ranks.size();
    std::set<std::uint64_t> quarantined;
    std::size_t present = 0;
    for (std::size_t i = 0; i < ranks.size(); ++i) {
        auto const end = ranks[i].end;
        if (ranks[i].host.empty()) continue;
        ++present;
        if (ranks[i].unit && ranks[i].suspect) quarantined.insert(*ranks[i].unit);
        if (end == EndKind::none) silent.push_back(i);
        if (end == EndKind::stopped && stopped == ranks.size()) stopped = i;
        if (end != EndKind::fatal && end != EndKind::hung && end != EndKind::threw) continue;
        if (first == ranks.size() || ranks[i].ended_ms < ranks[first].ended_ms) first = i;
    }
    if (first < ranks.size()) {
        blamed.cause = how_it_ended(first, ranks[first]);
        if (ranks[first].end != EndKind::threw) blamed.charged = ranks[first].unit;
        return blamed;
    }
    if (silent.empty()) {
        blamed.stopped = stopped < ranks.size();
        blamed.cause = blamed.stopped ? how_it_ended(stopped, ranks[stopped])
                                      : std::string("all ranks had left; what followed was cut short");
        return blamed;
    }
    blamed.cause = how_it_ended(silent.front(), ranks[silent.front()]);
    if (silent.size() > 1) blamed.cause += fmt::format("; {} of {} ranks did", silent.size(), ranks.size());
    std::set<std::uint64_t> lost;  // several ranks may work at the same unit
    for (auto const i : silent)
        if (ranks[i].unit) lost.insert(*ranks[i].unit);
    // Nobody left to tell of a signal, and more than one unit lost: the host, the launcher or a kill of all
    // is as likely as the one in quarantine.
    bool const all_at_once = silent.size() == present && lost.size() > 1;
    for (auto const unit : lost) {
        if (quarantined.contains(unit) && !all_at_once)
            blamed.charged = unit;  // one rank only runs suspects
        else
            (silent.size() == 1 ? blamed.suspects : blamed.seen).push_back(unit);
    }
    return blamed;
}

}  // namespace mpira::store
