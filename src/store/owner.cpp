#include "mpira/store/owner.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstring>
#include <ctime>
#include <fstream>
#include <random>
#include <sstream>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/base/text.hpp"
#include "mpira/comm/runtime.hpp"
#include "mpira/store/anndata_reader.hpp"
#include "mpira/store/journal.hpp"

#include "store/result_map.hpp"

namespace mpira::store {
namespace {

using Record = std::array<std::byte, kOwnerBytes>;
constexpr std::size_t kTextBytes = kOwnerBytes - sizeof(std::uint32_t);

std::int64_t now_ms() {
    using namespace std::chrono;
    return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

/// What /proc/PID/stat tells of a process.
struct ProcessStat {
    char state = '?';         ///< field 3; '?' when it can't be told
    std::uint64_t start = 0;  ///< field 22: clock ticks since boot; 0 when it can't be told
};

ProcessStat stat_of(std::int64_t pid) {
    std::ifstream stat(fmt::format("/proc/{}/stat", pid));
    std::string line;
    if (!std::getline(stat, line)) return {};
    auto const name_end = line.rfind(')');  // the name may hold anything, spaces and brackets too
    if (name_end == std::string::npos) return {};
    std::istringstream fields(line.substr(name_end + 1));
    ProcessStat found;
    std::string field;
    constexpr int kStateField = 3;
    constexpr int kStartField = 22;
    for (int i = kStateField; i <= kStartField; ++i) {
        if (!(fields >> field)) return {};
        if (i == kStateField) found.state = field.front();
    }
    found.start = static_cast<std::uint64_t>(text::to_integer(field).value_or(0));
    return found;
}

std::string pid_namespace() {
    std::array<char, 64> target{};
    ssize_t const length = ::readlink("/proc/self/ns/pid", target.data(), target.size() - 1);
    return length > 0 ? std::string(target.data(), static_cast<std::size_t>(length)) : std::string();
}

OwnerInfo myself(std::string_view job) {
    OwnerInfo info;
    info.host = comm::host_name().substr(0, 64);
    info.pid = ::getpid();
    info.job = std::string(job.substr(0, 64));
    info.started_ms = info.heartbeat_ms = now_ms();
    info.process_start = stat_of(info.pid).start;
    info.pid_namespace = pid_namespace();
    std::random_device draw;
    info.token = (std::uint64_t{draw()} << 32) | draw();
    return info;
}

bool same_claim(OwnerInfo const& a, OwnerInfo const& b) {
    return a.token == b.token;
}

Record encode(OwnerInfo const& info) {
    nlohmann::json const json{{"host", info.host},
                              {"pid", info.pid},
                              {"job", info.job},
                              {"started_ms", info.started_ms},
                              {"heartbeat_ms", info.heartbeat_ms},
                              {"process_start", info.process_start},
                              {"pid_namespace", info.pid_namespace},
                              {"token", info.token}};
    std::string text = json.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
    ensure(text.size() <= kTextBytes, "the owner record is too long");
    text.resize(kTextBytes, '\0');
    Record record{};
    std::memcpy(record.data(), text.data(), kTextBytes);
    std::uint32_t const crc = crc32(std::span(record).first(kTextBytes));
    std::memcpy(record.data() + kTextBytes, &crc, sizeof crc);
    return record;
}

std::optional<OwnerInfo> decode(Record const& record) {
    std::uint32_t crc = 0;
    std::memcpy(&crc, record.data() + kTextBytes, sizeof crc);
    if (crc != crc32(std::span(record).first(kTextBytes))) return std::nullopt;
    std::string text(kTextBytes, '\0');
    std::memcpy(text.data(), record.data(), kTextBytes);
    text.resize(text.find('\0') == std::string::npos ? kTextBytes : text.find('\0'));
    auto const json = nlohmann::json::parse(text, nullptr, false);
    if (!json.is_object()) return std::nullopt;
    try {
        OwnerInfo info;
        info.host = json.at("host").get<std::string>();
        info.pid = json.at("pid").get<std::int64_t>();
        info.job = json.at("job").get<std::string>();
        info.started_ms = json.at("started_ms").get<std::int64_t>();
        info.heartbeat_ms = json.at("heartbeat_ms").get<std::int64_t>();
        info.process_start = json.at("process_start").get<std::uint64_t>();
        info.pid_namespace = json.at("pid_namespace").get<std::string>();
        info.token = json.at("token").get<std::uint64_t>();
        return info;
    } catch (nlohmann::json::exception const&) {
        return std::nullopt;
    }
}

/// The record as it stands; nothing for a free or torn one. A record that is just being rewritten is read
/// again.
std::optional<OwnerInfo> read_record(int descriptor, std::uint64_t offset,
                                     std::filesystem::path const& file) {
    constexpr int kTries = 5;
    for (int i = 0; i < kTries; ++i) {
        Record record{};
        read_all(descriptor, record, offset, file);
        if (std::all_of(record.begin(), record.end(), [](std::byte b) { return b == std::byte{0}; }))
            return std::nullopt;
        if (auto info = decode(record)) return info;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return std::nullopt;
}

/// An fcntl OFD lock on the record, held for this object's life. Where the file system has no locks, none.
class RecordLock {
public:
    RecordLock(int descriptor, std::uint64_t offset) : descriptor_(descriptor), region_{} {
        region_.l_type = F_WRLCK;
        region_.l_whence = SEEK_SET;
        region_.l_start = static_cast<off_t>(offset);
        region_.l_len = kOwnerBytes;
        constexpr int kTries = 1000;
        for (int i = 0; i < kTries && !held_; ++i) {
            held_ = ::fcntl(descriptor_, F_OFD_SETLK, &region_) == 0;
            if (held_ || (errno != EAGAIN && errno != EACCES && errno != EINTR)) break;
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
    }
    RecordLock(RecordLock const&) = delete;
    RecordLock& operator=(RecordLock const&) = delete;
    ~RecordLock() {
        if (!held_) return;
        region_.l_type = F_UNLCK;
        ::fcntl(descriptor_, F_OFD_SETLK, &region_);
    }

private:
    int descriptor_;
    struct flock region_;
    bool held_ = false;
};

std::string in_words(OwnerInfo const& info) {
    auto const started = static_cast<std::time_t>(info.started_ms / 1000);
    double const age_s = static_cast<double>(now_ms() - info.heartbeat_ms) / 1000;
    return fmt::format("host {} pid {}{} since {:%Y-%m-%d %H:%M:%S}, last heartbeat {:.0f} s ago", info.host,
                       info.pid, info.job.empty() ? "" : " (" + info.job + ")", fmt::localtime(started),
                       std::max(age_s, 0.0));
}

std::uint64_t record_offset(std::filesystem::path const& file) {
    AnnDataReader const reader(file);
    require(
        !reader.contains(kSealed),
        fmt::format("{} is a sealed copy and takes no more rows; give the unsealed file or another --output",
                    file.string()));
    require(
        reader.contains(kOwner),
        fmt::format("{} is no result file that mpira could write to (it has no {})", file.string(), kOwner));
    auto const info = reader.info(kOwner);
    require(info.type == Type::u8 && info.offset && info.size() == kOwnerBytes,
            fmt::format("{}: {}: has another form than mpira writes", file.string(), kOwner));
    return *info.offset;
}

}  // namespace

std::optional<bool> OwnerInfo::process_alive() const {
    if (host != comm::host_name().substr(0, 64) || pid_namespace.empty() ||
        pid_namespace != store::pid_namespace() || pid <= 0)
        return std::nullopt;
    if (::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH) return false;
    auto const process = stat_of(pid);
    // A zombie is dead. It may stay one for long: in a container whose process 1 reaps nobody.
    if (process.state == 'Z' || process.state == 'X') return false;
    return process.start == 0 || process.start == process_start;
}

bool OwnerInfo::alive() const {
    double const age_s = static_cast<double>(now_ms() - heartbeat_ms) / 1000;
    return process_alive().value_or(age_s < kStaleHeartbeat_s);
}

Owner::Owner(std::filesystem::path file, Descriptor descriptor, std::uint64_t offset, OwnerInfo info,
             FileIo& io)
    : file_(std::move(file)),
      descriptor_(std::move(descriptor)),
      offset_(offset),
      info_(std::move(info)),
      io_(&io) {}

Owner::Owner(Owner&& other) noexcept = default;

Owner Owner::claim(std::filesystem::path const& file, std::string_view job, double wait_s, FileIo& io) {
    std::uint64_t const offset = record_offset(file);
    auto descriptor = open_existing(file, true);
    auto const start = std::chrono::steady_clock::now();
    for (bool told = false;;) {
        std::optional<OwnerInfo> other;
        {
            RecordLock const lock(descriptor.get(), offset);
            other = read_record(descriptor.get(), offset, file);
            if (!other || !other->alive()) {
                auto info = myself(job);
                write_all(io, descriptor.get(), encode(info), offset, file);
                if (other)
                    log::warning("{}: taken over from {}, which is gone", file.string(), in_words(*other));
                return {file, std::move(descriptor), offset, std::move(info), io};
            }
        }
        double const waited_s =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        require(waited_s < wait_s, fmt::format("{} is owned by {}; stop that run, or choose another --output",
                                               file.string(), in_words(*other)));
        if (!std::exchange(told, true))
            log::info("{}: waiting up to {:.0f} s for {}", file.string(), wait_s, in_words(*other));
        double const nap_s = std::min(0.2, wait_s - waited_s);
        std::this_thread::sleep_for(std::chrono::duration<double>(nap_s));
    }
}

/// Rows written to a file without a name are lost with this process.
void Owner::require_name() const {
    struct stat here {};
    struct stat named {};
    if (::fstat(descriptor_.get(), &here) != 0) return;
    bool const gone = ::stat(file_.c_str(), &named) != 0;
    if (gone ? errno != ENOENT : named.st_ino == here.st_ino && named.st_dev == here.st_dev) return;
    throw Error(
        Origin::system,
        fmt::format("{} {} while this run was writing it: what was committed is in the file that had this "
                    "name; put it back and run again to resume",
                    file_.string(), gone ? "was deleted or renamed" : "was replaced by another file"));
}

void Owner::heartbeat() {
    require_name();
    RecordLock const lock(descriptor_.get(), offset_);
    auto const now = read_record(descriptor_.get(), offset_, file_);
    if (!now || !same_claim(*now, info_))  // none: who took over has ended since
        throw Error(Origin::system, fmt::format("{} has been taken over by {}", file_.string(),
                                                now ? in_words(*now) : "a run that has ended since"));
    info_.heartbeat_ms = now_ms();
    write_all(*io_, descriptor_.get(), encode(info_), offset_, file_);
}

void Owner::release() {
    if (!descriptor_.is_open()) return;
    {
        RecordLock const lock(descriptor_.get(), offset_);
        auto const now = read_record(descriptor_.get(), offset_, file_);
        if (!now || same_claim(*now, info_)) {
            Record const free{};
            write_all(*io_, descriptor_.get(), free, offset_, file_);
        }
    }
    descriptor_ = Descriptor();
}

Owner::~Owner() {
    if (probe_.unwinding()) return;
    try {
        release();
    } catch (std::exception const& error) {  // a destructor can't pass it on; the record names a dead process
        log::warning("{}: the owner record could not be cleared: {}", file_.string(), error.what());
    }
}

std::optional<OwnerInfo> read_owner(std::filesystem::path const& file) {
    std::uint64_t const offset = record_offset(file);
    auto const descriptor = open_existing(file, false);
    return read_record(descriptor.get(), offset, file);
}

}  // namespace mpira::store
