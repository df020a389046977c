#include "mpira/store/result_file.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <queue>
#include <utility>
#include <vector>

#include <unistd.h>

#include <fmt/format.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/draft_file.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"

#include "store/content_check.hpp"
#include "store/journal_reader.hpp"
#include "store/mapped_rows.hpp"
#include "store/result_map.hpp"
#include "store/row_writer.hpp"
#include "store/same_campaign.hpp"

namespace mpira::store {
namespace {

/// Adjacent small units are copied together and written at once, up to this.
constexpr std::uint64_t kLargestMerge = 4ULL << 20;

std::int64_t now_ms() {
    using namespace std::chrono;
    return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

std::uint32_t data_crc(UnitRows const& rows, std::size_t arrays) {
    std::uint32_t crc = 0;
    for (std::size_t i = 0; i < arrays; ++i) crc = crc32(rows.raw(i), crc);
    return crc;
}

}  // namespace

struct ResultFile::State {
    std::filesystem::path file;
    ResultMap map;
    FileIo* io = nullptr;
    Descriptor reading;
    std::unique_ptr<RowWriter> writer;
    std::vector<UnitState> states;
    std::map<std::uint64_t, Blame> blamed;  ///< of units that are not done

    [[nodiscard]] Blame blame_of(std::uint64_t unit) const {
        auto const found = blamed.find(unit);
        return found == blamed.end() ? Blame{} : found->second;
    }
    [[nodiscard]] std::size_t array_count() const { return map.layout.row_arrays.size(); }
    [[nodiscard]] std::uint64_t row_bytes(std::size_t array) const {
        return map.layout.row_arrays[array].bytes_per_row();
    }

    void read_states() {
        states.assign(map.layout.units(), UnitState::open);
        blamed.clear();
        for_each_journal_row(reading.get(), map.journal_offset, map.layout.units(), file,
                             [&](std::uint64_t unit, std::optional<JournalRow> const& row) {
                                 states[unit] = row ? row->state : UnitState::open;
                                 if (row && row->state != UnitState::done && row->blame != Blame{})
                                     blamed[unit] = row->blame;
                             });
    }

    /// write() and sync; after a failed sync write() and sync once more, then an error.
    template <typename Write>
    void write_durably(std::string_view what, Write const& write) {
        write();
        auto failure = writer->sync();
        if (!failure) return;
        log::warning("{}: syncing {} failed ({}); writing them once more", file.string(), what, *failure);
        write();
        failure = writer->sync();
        if (failure) {
            throw Error(Origin::system,
                        fmt::format("{}: syncing {} failed twice ({}); they count as not written",
                                    file.string(), what, *failure));
        }
    }

    /// write(descriptor) and sync beside the writer, as write_durably.
    template <typename Write>
    void write_raw_durably(Write const& write) {
        auto const descriptor = open_existing(file, true);
        write(descriptor.get());
        if (io->fdatasync(descriptor.get()) == 0) return;
        write(descriptor.get());  // a failed sync may have dropped what it was given
        if (io->fdatasync(descriptor.get()) != 0) fail_errno("syncing", file.string());
    }

    void mark_finished(bool finished) {
        std::array<std::byte, 1> const mark{std::byte{finished}};
        write_raw_durably(
            [&](int descriptor) { write_all(*io, descriptor, mark, map.finished_offset, file); });
        map.finished = finished;
    }

    void write_journal(std::span<JournalRow const> rows) {  // ascending units
        std::vector<std::byte> merged;
        for (std::size_t i = 0; i < rows.size();) {
            std::size_t end = i + 1;
            while (end < rows.size() && rows[end].unit == rows[end - 1].unit + 1) ++end;
            merged.clear();
            for (std::size_t k = i; k < end; ++k) {
                auto const bytes = encode(rows[k]);
                merged.insert(merged.end(), bytes.begin(), bytes.end());
            }
            writer->write(journal_array(map), rows[i].unit, end - i, merged);
            i = end;
        }
    }

    /// A journal row with a text, synced.
    void record(std::uint64_t unit, UnitState what, UnitReport const& report, std::string_view message) {
        JournalRow const row{unit,           what,     report.attempt, 0,
                             report.seconds, now_ms(), report.machine, std::string(message),
                             blame_of(unit)};
        write_durably("a journal row", [&] {
            if (map.error_slots > 0)
                writer->write(errors_array(map), unit % map.error_slots, 1, encode_error(unit, message));
            write_journal(std::span(&row, 1));
        });
        states[unit] = what;
    }

    /// obs/done of whole units.
    void write_done(std::uint64_t unit, std::uint64_t unit_count, bool value) {
        std::uint64_t const first = map.layout.first_row(unit);
        std::uint64_t const last = unit + unit_count - 1;
        std::uint64_t const count = map.layout.first_row(last) + map.layout.row_count(last) - first;
        std::vector<std::byte> const bytes(count, std::byte{value});
        writer->write(done_array(map), first, count, bytes);
    }

    /// Sets obs/done where the journal says done and a power cut kept the flag from the disk. Never clears:
    /// the unit may have just been committed by another process.
    void repair_done() {
        std::vector<std::byte> done(map.layout.rows);
        read_all(reading.get(), done, map.done_offset, file);
        for (std::uint64_t unit = 0; unit < states.size(); ++unit) {
            if (states[unit] != UnitState::done) continue;
            auto const flags =
                std::span(done).subspan(map.layout.first_row(unit), map.layout.row_count(unit));
            if (std::find(flags.begin(), flags.end(), std::byte{0}) != flags.end()) write_done(unit, 1, true);
        }
    }

    /// Rows of adjacent units, one write an array where they are small.
    void write_rows(std::span<FinishedUnit const* const> run) {
        std::vector<std::byte> merged;
        for (std::size_t array = 0; array < array_count(); ++array) {
            std::uint64_t bytes = 0;
            for (auto const* unit : run) bytes += unit->rows->raw(array).size();
            if (run.size() == 1 || bytes > kLargestMerge) {
                for (auto const* unit : run)
                    writer->write(array, unit->rows->first_row(), unit->rows->row_count(),
                                  unit->rows->raw(array));
                continue;
            }
            merged.clear();
            for (auto const* unit : run) {
                auto const part = unit->rows->raw(array);
                merged.insert(merged.end(), part.begin(), part.end());
            }
            writer->write(array, run.front()->rows->first_row(), bytes / row_bytes(array), merged);
        }
    }

    [[nodiscard]] std::uint32_t stored_crc(std::uint64_t unit, std::vector<std::byte>& buffer) const {
        std::uint32_t crc = 0;
        for (std::size_t array = 0; array < array_count(); ++array) {
            buffer.resize(map.layout.row_count(unit) * row_bytes(array));
            read_all(reading.get(), buffer,
                     map.row_offsets[array] + map.layout.first_row(unit) * row_bytes(array), file);
            crc = crc32(buffer, crc);
        }
        return crc;
    }
};

ResultFile::ResultFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
ResultFile::ResultFile(ResultFile&& other) noexcept = default;
ResultFile& ResultFile::operator=(ResultFile&& other) noexcept = default;
ResultFile::~ResultFile() = default;

void ResultFile::require_same(std::filesystem::path const& file, ResultLayout const& layout) {
    auto const map = [&] {
        try {
            return read_result_map(file);
        } catch (Error const& error) {  // empty, cut, or another program's
            if (error.origin() != Origin::usage || ::access(file.c_str(), R_OK) != 0) throw;
            fail_usage(
                fmt::format("{}; it can't be resumed: --fresh --overwrite begins anew and keeps it as {}",
                            error.what(), aside_name(file).string()));
        }
    }();
    require_same_campaign(file, map, layout);
}

ResultFile ResultFile::open(std::filesystem::path const& file, ResultLayout const& layout,
                            OpenOptions const& options) {
    auto state = std::make_unique<State>();
    state->file = file;
    state->map = read_result_map(file);
    require_same_campaign(file, state->map, layout);
    state->io = options.io != nullptr ? options.io : &system_io();
    state->reading = open_existing(file, false);
    state->writer = options.mode == WriteMode::direct ? make_direct_writer(file, state->map, *state->io)
                                                      : make_mpiio_writer(file, state->map);
    state->read_states();
    state->repair_done();
    return ResultFile(std::move(state));
}

std::span<UnitState const> ResultFile::states() const {
    return state_->states;
}

JournalRow ResultFile::journal(std::uint64_t unit) const {
    ensure(unit < state_->map.layout.units(), "no such unit");
    std::array<std::byte, kJournalRowBytes> bytes{};
    read_all(state_->reading.get(), bytes, state_->map.journal_offset + unit * kJournalRowBytes,
             state_->file);
    JournalRow open;
    open.unit = unit;
    return decode(bytes, unit).value_or(open);
}

bool ResultFile::finished() const {
    std::array<std::byte, 1> mark{};
    read_all(state_->reading.get(), mark, state_->map.finished_offset, state_->file);
    return mark[0] != std::byte{0};
}

void ResultFile::mark_running(std::uint64_t unit, UnitReport const& report) {
    ensure(unit < state_->map.layout.units(), "no such unit");
    if (journal(unit).state == UnitState::done) return;  // by a run that has taken over from this one
    JournalRow row;
    row.unit = unit;
    row.state = UnitState::running;
    row.attempt = report.attempt;
    row.finished_ms = now_ms();
    row.machine = report.machine;
    row.blame = state_->blame_of(unit);
    state_->write_journal(std::span(&row, 1));
    state_->states[unit] = UnitState::running;
}

std::map<std::uint64_t, Blame> const& ResultFile::blamed() const {
    return state_->blamed;
}

void ResultFile::set_blame(std::uint64_t unit, Blame blame, std::string_view why) {
    ensure(unit < state_->map.layout.units(), "no such unit");
    state_->blamed[unit] = blame;
    state_->record(unit, UnitState::open, {}, why);
}

void ResultFile::commit(std::span<FinishedUnit const> units) {
    if (units.empty()) return;
    auto& state = *state_;
    std::vector<FinishedUnit const*> ordered;
    for (auto const& unit : units) ordered.push_back(&unit);
    std::sort(ordered.begin(), ordered.end(),
              [](auto const* a, auto const* b) { return a->rows->unit() < b->rows->unit(); });
    auto const for_each_run = [&](auto const& visit) {
        for (std::size_t i = 0; i < ordered.size();) {
            std::size_t end = i + 1;
            while (end < ordered.size() && ordered[end]->rows->unit() == ordered[end - 1]->rows->unit() + 1)
                ++end;
            visit(std::span<FinishedUnit const* const>(ordered).subspan(i, end - i));
            i = end;
        }
    };
    std::vector<JournalRow> rows;
    for (auto const* unit : ordered) {
        ensure(unit->rows->unit() < state.map.layout.units(), "no such unit");
        ensure(rows.empty() || rows.back().unit != unit->rows->unit(), "a unit is committed twice at once");
        JournalRow row;
        row.unit = unit->rows->unit();
        row.state = UnitState::done;
        row.attempt = unit->report.attempt;
        row.seconds = unit->report.seconds;
        row.finished_ms = now_ms();
        row.machine = unit->report.machine;
        rows.push_back(std::move(row));
    }
    state.write_durably("rows", [&] {
        std::size_t at = 0;
        for_each_run([&](auto const run) {
            // The CRC just before the write: the rows are read from memory once.
            for (auto const* unit : run) rows[at++].data_crc = data_crc(*unit->rows, state.array_count());
            state.write_rows(run);
        });
    });
    // obs/done goes with the journal, after the rows are safe: a reader never takes unwritten rows for
    // results.
    state.write_durably("journal rows", [&] {
        for_each_run([&](auto const run) { state.write_done(run.front()->rows->unit(), run.size(), true); });
        state.write_journal(rows);
    });
    for (auto const& row : rows) {
        state.states[row.unit] = UnitState::done;
        state.blamed.erase(row.unit);
    }
}

void ResultFile::record_failure(std::uint64_t unit, UnitReport const& report, std::string_view message) {
    ensure(unit < state_->map.layout.units(), "no such unit");
    if (journal(unit).state == UnitState::done) return;
    state_->record(unit, UnitState::failed, report, message);
}

std::vector<std::uint64_t> ResultFile::check_rows(CheckRows how, std::uint64_t part, std::uint64_t parts) {
    ensure(parts > 0 && part < parts, "no such part");
    std::vector<std::uint64_t> bad;
    if (how == CheckRows::none) return bad;
    auto& state = *state_;
    constexpr std::size_t kLatest = 64;
    constexpr std::uint64_t kOneIn = 64;
    struct Candidate {
        std::int64_t finished_ms;
        std::uint64_t unit;
        std::uint32_t crc;
        bool operator>(Candidate const& other) const {
            return std::pair(finished_ms, unit) > std::pair(other.finished_ms, other.unit);
        }
    };
    std::vector<Candidate> chosen;
    std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> latest;
    for_each_journal_row(state.reading.get(), state.map.journal_offset, state.map.layout.units(), state.file,
                         [&](std::uint64_t unit, std::optional<JournalRow> const& row) {
                             if (!row || row->state != UnitState::done) return;
                             Candidate candidate{row->finished_ms, unit, row->data_crc};
                             if (how == CheckRows::sample) {
                                 latest.push(candidate);
                                 if (latest.size() <= kLatest) return;
                                 candidate = latest.top();
                                 latest.pop();
                                 if (candidate.unit % kOneIn != 0) return;
                             }
                             chosen.push_back(candidate);
                         });
    for (; !latest.empty(); latest.pop()) chosen.push_back(latest.top());
    std::vector<std::byte> buffer;
    for (auto const& candidate : chosen) {
        if (candidate.unit % parts != part) continue;
        if (state.stored_crc(candidate.unit, buffer) != candidate.crc) bad.push_back(candidate.unit);
    }
    std::sort(bad.begin(), bad.end());
    if (bad.empty()) return bad;
    state.mark_finished(false);  // what was made of all rows is made again
    state.write_durably("obs/done", [&] {
        for (std::uint64_t const unit : bad) state.write_done(unit, 1, false);
    });
    state.write_durably("journal rows", [&] {
        std::vector<std::byte> const open(kJournalRowBytes);
        for (std::uint64_t const unit : bad) state.writer->write(journal_array(state.map), unit, 1, open);
    });
    for (std::uint64_t const unit : bad) state.states[unit] = UnitState::open;
    return bad;
}

void ResultFile::reload_states() {
    state_->read_states();
}

void ResultFile::finish(std::function<void(FinishedRows&)> const& fill) {
    auto& state = *state_;
    state.read_states();
    ensure(std::all_of(state.states.begin(), state.states.end(),
                       [](UnitState s) { return s == UnitState::done; }),
           "finish() with units that are not done");
    MappedRows rows(state.file, state.map);
    fill(rows);
    state.write_raw_durably([&](int descriptor) {
        for (std::size_t i = 0; i < rows.fixed_bytes().size(); ++i)
            write_all(*state.io, descriptor, rows.fixed_bytes()[i], state.map.fixed_offsets[i], state.file);
        record_finished_arrays(*state.io, descriptor, state.file, state.map, rows.fixed_bytes());
        // Texts of errors that a later try has made good: equal campaigns leave equal bytes.
        std::vector<std::byte> const none(state.map.error_slots * kErrorSlotBytes);
        write_all(*state.io, descriptor, none, state.map.errors_offset, state.file);
    });
    state.mark_finished(true);
}

}  // namespace mpira::store
