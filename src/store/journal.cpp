#include "mpira/store/journal.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <regex>

#include "mpira/base/checksum.hpp"

namespace mpira::store {
namespace {

constexpr std::uint32_t kMagic = 0x314A504D;  // "MPJ1"

/// The row as it lies in the file.
struct Packed {
    std::uint32_t magic;
    std::uint32_t crc;
    std::uint64_t unit;
    std::uint32_t data_crc;
    std::uint16_t attempt;
    std::uint8_t state;
    std::uint8_t blame;
    double seconds;
    std::int64_t finished_ms;
    char machine[kMachineBytes];
    char error[kErrorBytes];
};
static_assert(sizeof(Packed) == kJournalRowBytes);
static_assert(std::endian::native == std::endian::little, "the journal is little-endian");

std::uint32_t row_crc(std::span<std::byte const> row) {
    return crc32(row.subspan(sizeof(std::uint32_t) * 2));
}

/// Cuts at a UTF-8 character's border; how much was put.
std::size_t put(std::span<char> field, std::string_view text) {
    std::size_t length = std::min(field.size(), text.size());
    if (length < text.size())
        while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0U) == 0x80U) --length;
    std::copy_n(text.begin(), length, field.begin());
    return length;
}

struct PackedError {
    std::uint32_t crc;
    std::uint32_t length;
    std::uint64_t unit;
    char text[kErrorSlotBytes - 16];
};
static_assert(sizeof(PackedError) == kErrorSlotBytes);

std::uint32_t error_crc(std::span<std::byte const> slot) {
    return crc32(slot.subspan(sizeof(std::uint32_t)));
}

std::string take(std::span<char const> field) {
    return {field.begin(), std::find(field.begin(), field.end(), '\0')};
}

}  // namespace

std::array<std::byte, kJournalRowBytes> encode(JournalRow const& row) {
    Packed packed{};
    packed.magic = kMagic;
    packed.unit = row.unit;
    packed.data_crc = row.data_crc;
    packed.attempt = row.attempt;
    packed.state = static_cast<std::uint8_t>(row.state);
    packed.blame = static_cast<std::uint8_t>(std::min<unsigned>(row.blame.charges, 15U) +
                                             16U * static_cast<unsigned>(row.blame.suspicion));
    packed.seconds = row.seconds;
    packed.finished_ms = row.finished_ms;
    put(packed.machine, row.machine);
    put(packed.error, row.error);
    packed.crc = row_crc(std::as_bytes(std::span(&packed, 1)));
    return std::bit_cast<std::array<std::byte, kJournalRowBytes>>(packed);
}

std::optional<JournalRow> decode(std::span<std::byte const> bytes, std::uint64_t unit) {
    if (bytes.size() != kJournalRowBytes) return std::nullopt;
    if (std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; })) {
        JournalRow open;
        open.unit = unit;
        return open;
    }
    Packed packed{};
    std::memcpy(&packed, bytes.data(), sizeof packed);
    if (packed.magic != kMagic || packed.crc != row_crc(bytes) || packed.unit != unit) return std::nullopt;
    if (packed.state > static_cast<std::uint8_t>(UnitState::failed)) return std::nullopt;
    JournalRow row;
    row.unit = packed.unit;
    row.state = static_cast<UnitState>(packed.state);
    row.attempt = packed.attempt;
    row.data_crc = packed.data_crc;
    row.blame.charges = packed.blame % 16U;
    row.blame.suspicion = static_cast<Blame::Suspicion>(std::min(packed.blame / 16, 2));
    row.seconds = packed.seconds;
    row.finished_ms = packed.finished_ms;
    row.machine = take(packed.machine);
    row.error = take(packed.error);
    return row;
}

std::array<std::byte, kErrorSlotBytes> encode_error(std::uint64_t unit, std::string_view text) {
    PackedError packed{};
    packed.unit = unit;
    packed.length = static_cast<std::uint32_t>(put(packed.text, text));
    packed.crc = error_crc(std::as_bytes(std::span(&packed, 1)));
    return std::bit_cast<std::array<std::byte, kErrorSlotBytes>>(packed);
}

std::optional<std::string> decode_error(std::span<std::byte const> slot, std::uint64_t unit) {
    if (slot.size() != kErrorSlotBytes) return std::nullopt;
    PackedError packed{};
    std::memcpy(&packed, slot.data(), sizeof packed);
    if (packed.crc != error_crc(slot) || packed.unit != unit || packed.length == 0 ||
        packed.length > sizeof packed.text)
        return std::nullopt;
    return std::string(packed.text, packed.length);
}

std::string machine_text(std::string_view host, std::string_view model) {
    // "Intel(R) Xeon(R) Platinum 8480+ CPU @ 2.00GHz" -> "Intel Xeon Platinum 8480+"
    std::string plain = std::regex_replace(std::string(model), std::regex(R"(\((R|TM|r|tm)\)|@ .*$)"), "");
    plain = std::regex_replace(plain, std::regex(R"(\b(CPU|Processor)\b)"), "");
    plain = std::regex_replace(plain, std::regex(R"(\s+)"), " ");
    std::string text(host.substr(0, std::min<std::size_t>({host.size(), host.find('.'), 16})));
    text += ' ';
    text += plain;
    if (text.size() > kMachineBytes) text.resize(kMachineBytes);
    while (!text.empty() && text.back() == ' ') text.pop_back();
    return text;
}

std::string_view device_model(std::string_view machine) {
    return machine.substr(machine.find(' ') + 1);
}

bool same_model(std::string_view machine, std::string_view other) {
    auto const may_begin = [&](std::string_view text, std::string_view longer) {
        bool const is_cut = text.size() + 1 >= kMachineBytes;  // or a blank more, which was taken away
        return device_model(longer) == device_model(text) ||
               (is_cut && device_model(longer).starts_with(device_model(text)));
    };
    return may_begin(machine, other) || may_begin(other, machine);
}

}  // namespace mpira::store
