#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

/// The journal of a result file: one row of 128 bytes a unit, each with a CRC of its own, so that a torn row
/// is seen and counts as not done. Kept in the file as u8 (units, 128) at uns/mpira/journal.
namespace mpira::store {

enum class UnitState : std::uint8_t { open = 0, running = 1, done = 2, failed = 3 };

inline constexpr std::size_t kJournalRowBytes = 128;
inline constexpr std::size_t kMachineBytes = 40;
inline constexpr std::size_t kErrorBytes = 48;

/// What is held against a unit that was in flight when a run died (store/in_flight.hpp). Goes with the
/// journal row, so that it outlives every start; a unit that gets done is cleared.
struct Blame {
    std::uint8_t charges = 0;  ///< times it ended its process; at most 15
    enum Suspicion : std::uint8_t {
        none = 0,
        seen = 1,    ///< in flight once when several ranks vanished together
        suspect = 2  ///< is to be run in quarantine
    };
    Suspicion suspicion = none;

    friend bool operator==(Blame const&, Blame const&) = default;
};
/// With so many charges a unit is set aside.
inline constexpr std::uint8_t kMostCharges = 2;

/// A row in memory. In the file, little-endian: magic u32 "MPJ1", crc32 u32 of what follows, unit u64,
/// data_crc u32, attempt u16, state u8, blame u8 (charges + 16 suspicion), seconds f64, finished_ms i64,
/// machine char[40], error char[48]. An untouched row is all zeros: open.
struct JournalRow {
    std::uint64_t unit = 0;
    UnitState state = UnitState::open;
    std::uint16_t attempt = 0;     ///< 1: the first time it was tried
    std::uint32_t data_crc = 0;    ///< crc32 over the unit's bytes in every RowArray, in the layout's order
    double seconds = 0;            ///< what run() took
    std::int64_t finished_ms = 0;  ///< Unix time in milliseconds when the row was written
    std::string machine;           ///< machine_text(); cut to kMachineBytes
    std::string
        error;  ///< of a failed unit; cut to kErrorBytes at a character's border (whole: encode_error)
    Blame blame = {};
};

std::array<std::byte, kJournalRowBytes> encode(JournalRow const& row);

/// The row, or nothing when its CRC is wrong or it belongs to another unit: a torn write. An all-zero row is
/// an open one.
std::optional<JournalRow> decode(std::span<std::byte const> bytes, std::uint64_t unit);

/// Whole texts of errors, beside the journal: u8 (slots, kErrorSlotBytes) at uns/mpira/errors. Unit u has
/// slot u % slots; of two failed units that share one, the later one's text is kept. In the file,
/// little-endian: crc32 u32 of what follows, length u32, unit u64, UTF-8 text.
inline constexpr std::size_t kErrorSlotBytes = 1024;
inline constexpr std::uint64_t kMostErrorSlots = 128;

/// The text is cut to fit at a character's border.
std::array<std::byte, kErrorSlotBytes> encode_error(std::uint64_t unit, std::string_view text);
/// The text, or nothing when the slot is empty, torn, or another unit's.
std::optional<std::string> decode_error(std::span<std::byte const> slot, std::uint64_t unit);

/// "node17 Xeon Platinum 8480+": host and device model in kMachineBytes. The host keeps at most 16
/// characters, and marketing ("(R)", "(TM)", "CPU @ 2.00GHz") is left out of the model.
std::string machine_text(std::string_view host, std::string_view model);
/// machine_text() without the host.
[[nodiscard]] std::string_view device_model(std::string_view machine);
/// Whether two machine_text() may name one device model: both may have been cut.
[[nodiscard]] bool same_model(std::string_view machine, std::string_view other);

}  // namespace mpira::store
