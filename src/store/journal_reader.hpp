#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "mpira/store/file_io.hpp"
#include "mpira/store/journal.hpp"

namespace mpira::store {

/// Calls visit(unit, row or nothing if torn) for every unit, holding 1 MiB of the journal at a time.
template <typename Visit>
void for_each_journal_row(int descriptor, std::uint64_t journal_offset, std::uint64_t units,
                          std::filesystem::path const& file, Visit const& visit) {
    constexpr std::uint64_t kUnitsAtOnce = 8192;
    std::vector<std::byte> block;
    for (std::uint64_t first = 0; first < units; first += kUnitsAtOnce) {
        std::uint64_t const count = std::min(kUnitsAtOnce, units - first);
        block.resize(count * kJournalRowBytes);
        read_all(descriptor, block, journal_offset + first * kJournalRowBytes, file);
        for (std::uint64_t i = 0; i < count; ++i)
            visit(first + i,
                  decode(std::span(block).subspan(i * kJournalRowBytes, kJournalRowBytes), first + i));
    }
}

}  // namespace mpira::store
