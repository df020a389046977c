#include "mpira/train/table.hpp"

#include <algorithm>

#include "mpira/base/error.hpp"
#include "mpira/base/philox.hpp"

namespace mpira::train {

namespace {

// The cell types, also when there is only the one without a name.
std::vector<genome::PlaceRange> ranges_of(TrainingTable const& table) {
    if (table.cell_types.empty()) return {{0, table.places()}};
    std::vector<genome::PlaceRange> ranges;
    for (auto const& cell_type : table.cell_types) ranges.push_back(cell_type.places);
    return ranges;
}

}  // namespace

std::uint64_t TrainingTable::cell_type_of(std::uint64_t place) const {
    if (cell_types.size() < 2) return 0;
    auto const after = std::upper_bound(
        cell_types.begin(), cell_types.end(), place,
        [](std::uint64_t value, CellTypePlaces const& cell_type) { return value < cell_type.places.end; });
    ensure(after != cell_types.end(), "a place outside the table");
    return static_cast<std::uint64_t>(after - cell_types.begin());
}

void TrainingTable::read_inputs(genome::PlaceRange window, std::span<float> out) const {
    auto const width = motifs();
    ensure(out.size() == window.size() * (width + 1), "a window buffer of the wrong size");
    float* at = out.data();
    for (auto place = window.first; place < window.end; ++place) {
        float const* raw = features.data() + std::uint64_t{rows[place]} * width;
        float const* scale = scales.data() + cell_type_of(place) * width;
        for (std::uint64_t i = 0; i < width; ++i) at[i] = std::min(1.0F, raw[i] / scale[i]);
        at[width] = accessibility.empty() ? 1.0F : accessibility[place];
        at += width + 1;
    }
}

void TrainingTable::read_raw(genome::PlaceRange window, std::span<float> out) const {
    auto const width = motifs();
    ensure(out.size() == window.size() * (width + 1), "a window buffer of the wrong size");
    float* at = out.data();
    for (auto place = window.first; place < window.end; ++place, at += width + 1) {
        std::copy_n(features.data() + std::uint64_t{rows[place]} * width, width, at);
        at[width] = accessibility.empty() ? 1.0F : accessibility[place];
    }
}

void TrainingTable::require_consistent() const {
    ensure(!rows.empty() && !scales.empty() && outputs > 0, "an empty training table");
    std::uint64_t next = 0;
    for (auto const [first, end] : ranges_of(*this)) {
        ensure(first == next && end > first && end <= places(), "cell types that don't follow each other");
        next = end;
        auto const begin = rows.begin();
        ensure(std::is_sorted(begin + static_cast<std::ptrdiff_t>(first),
                              begin + static_cast<std::ptrdiff_t>(end)) &&
                   (rows[end - 1] + std::uint64_t{1}) * motifs() <= features.size(),
               "rows outside the table, or out of order");
    }
    ensure(next == places() && motifs() * ranges_of(*this).size() == scales.size(),
           "one set of scales a cell type");
    ensure(accessibility.empty() || accessibility.size() == places(), "one accessibility a place");
    ensure(targets.empty() || targets.size() == places() * outputs, "one target a place and output");
    ensure(scored.empty() || scored.size() == targets.size(), "one scored flag a target");
}

void permute_labels(TrainingTable& table, std::uint64_t seed) {
    auto const ranges = ranges_of(table);
    for (std::size_t cell_type = 0; cell_type < ranges.size(); ++cell_type) {
        for (std::uint64_t output = 0; output < table.outputs; ++output) {
            std::vector<std::uint64_t> entries;
            for (auto place = ranges[cell_type].first; place < ranges[cell_type].end; ++place) {
                auto const entry = place * table.outputs + output;
                if (table.scored.empty() || table.scored[entry] != 0) entries.push_back(entry);
            }
            Draws draws(seed, Stream::permutation, static_cast<std::uint32_t>(cell_type),
                        static_cast<std::uint32_t>(output));
            for (std::uint64_t left = entries.size(); left > 1; --left) {  // Fisher and Yates
                std::swap(table.targets[entries[left - 1]], table.targets[entries[draws.below(left)]]);
            }
        }
    }
}

}  // namespace mpira::train
