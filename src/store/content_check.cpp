#include "store/content_check.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/store/journal.hpp"
#include "mpira/store/owner.hpp"

namespace mpira::store {
namespace {

struct ByteRange {
    std::uint64_t first = 0;
    std::uint64_t end = 0;
};

constexpr std::uint64_t kChecksBytes = 2 * sizeof(std::int64_t);

std::uint64_t bytes_of(FixedArray const& array) {
    return std::accumulate(array.shape.begin(), array.shape.end(), size_of(array.type), std::multiplies<>());
}

/// What is written after creation, in the order of the file.
std::vector<ByteRange> ranges_written_later(ResultMap const& map) {
    std::vector<ByteRange> ranges;
    auto const add = [&](std::uint64_t offset, std::uint64_t bytes) {
        ranges.push_back({offset, offset + bytes});
    };
    add(*map.checks_offset, kChecksBytes);
    if (map.sealed) return ranges;
    auto const& layout = map.layout;
    for (std::size_t i = 0; i < layout.row_arrays.size(); ++i)
        add(map.row_offsets[i], layout.rows * layout.row_arrays[i].bytes_per_row());
    for (std::size_t i = 0; i < layout.fixed_arrays.size(); ++i)
        if (!map.fixed_is_filled[i]) add(map.fixed_offsets[i], bytes_of(layout.fixed_arrays[i]));
    add(map.done_offset, layout.rows);
    add(map.journal_offset, layout.units() * kJournalRowBytes);
    add(map.errors_offset, map.error_slots * kErrorSlotBytes);
    add(map.owner_offset, kOwnerBytes);
    add(map.finished_offset, 1);
    std::sort(ranges.begin(), ranges.end(),
              [](ByteRange const& a, ByteRange const& b) { return a.first < b.first; });
    return ranges;
}

std::uint32_t crc_of(int descriptor, std::filesystem::path const& file, ByteRange range,
                     std::uint32_t before) {
    constexpr std::uint64_t kBlock = 1ULL << 20;
    std::vector<std::byte> block;
    while (range.first < range.end) {
        block.resize(std::min(kBlock, range.end - range.first));
        read_all(descriptor, block, range.first, file);
        before = crc32(block, before);
        range.first += block.size();
    }
    return before;
}

std::uint32_t crc_of_tables(int descriptor, std::filesystem::path const& file, ResultMap const& map) {
    std::uint32_t crc = 0;
    std::uint64_t at = 0;
    for (auto const& range : ranges_written_later(map)) {
        crc = crc_of(descriptor, file, {at, range.first}, crc);
        at = std::max(at, range.end);
    }
    return crc_of(descriptor, file, {at, std::filesystem::file_size(file)}, crc);
}

std::uint32_t crc_of_finished_arrays(int descriptor, std::filesystem::path const& file,
                                     ResultMap const& map) {
    std::uint32_t crc = 0;
    for (std::size_t i = 0; i < map.layout.fixed_arrays.size(); ++i) {
        if (map.fixed_is_filled[i]) continue;
        std::uint64_t const first = map.fixed_offsets[i];
        crc = crc_of(descriptor, file, {first, first + bytes_of(map.layout.fixed_arrays[i])}, crc);
    }
    return crc;
}

void write_check(FileIo& io, int descriptor, std::filesystem::path const& file, ResultMap const& map,
                 std::uint64_t number, std::uint32_t crc) {
    std::int64_t const value = crc;
    write_all(io, descriptor, std::as_bytes(std::span(&value, 1)), *map.checks_offset + number * sizeof value,
              file);
}

}  // namespace

void record_tables(FileIo& io, int descriptor, std::filesystem::path const& file, ResultMap const& map) {
    ensure(map.checks_offset.has_value(), "a new file without a place for its checksums");
    write_check(io, descriptor, file, map, 0, crc_of_tables(descriptor, file, map));
}

void record_finished_arrays(FileIo& io, int descriptor, std::filesystem::path const& file,
                            ResultMap const& map, std::span<std::vector<std::byte> const> arrays) {
    if (!map.checks_offset) return;
    std::uint32_t crc = 0;
    for (auto const& bytes : arrays) crc = crc32(bytes, crc);
    write_check(io, descriptor, file, map, 1, crc);
}

std::optional<bool> tables_hold(std::filesystem::path const& file, ResultMap const& map) {
    if (!map.checks_offset) return std::nullopt;
    auto const opened = open_existing(file, false);
    std::array<std::int64_t, 2> checks{};
    read_all(opened.get(), std::as_writable_bytes(std::span(checks)), *map.checks_offset, file);
    if (checks[0] != crc_of_tables(opened.get(), file, map)) return false;
    return map.sealed || !map.finished || checks[1] == crc_of_finished_arrays(opened.get(), file, map);
}

}  // namespace mpira::store
