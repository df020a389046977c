#include "store/unit_source.hpp"

#include <algorithm>
#include <span>

#include <fmt/format.h>

#include "mpira/base/error.hpp"

namespace mpira::store {

UnitSource::UnitSource(std::filesystem::path const& file)
    : file_(file), map_(read_result_map(file)), opened_(h5::open_to_read(file)) {
    for (auto const& array : map_.layout.row_arrays)
        add(array.path, array.flat ? array.bytes_per_row() / size_of(array.type) : 1);
    add(kDone);
    add(kJournal);
    if (map_.error_slots > 0) add(kErrors);
}

void UnitSource::add(std::string const& path, std::uint64_t entries_per_row) {
    Source source;
    source.path = path;
    source.entries_per_row = entries_per_row;
    source.dataset = h5::Dataset(h5::check(H5Dopen2(opened_.get(), path.c_str(), H5P_DEFAULT), path));
    source.type = h5::Datatype(h5::check(H5Dget_type(source.dataset.get()), "H5Dget_type"));
    source.shape = h5::shape_of(source.dataset.get());
    source.row_bytes = H5Tget_size(source.type.get()) * entries_per_row;
    for (std::size_t i = 1; i < source.shape.size(); ++i) source.row_bytes *= source.shape[i];
    sources_.push_back(std::move(source));
}

void UnitSource::read(Source const& source, std::uint64_t first, std::uint64_t count,
                      std::vector<std::byte>& bytes) const {
    try {
        std::vector<hsize_t> start(source.shape.size(), 0);
        std::vector<hsize_t> extent(source.shape.begin(), source.shape.end());
        start[0] = first * source.entries_per_row;
        extent[0] = count * source.entries_per_row;
        bytes.resize(count * source.row_bytes);
        int const rank = static_cast<int>(extent.size());
        h5::Space const memory(h5::check(H5Screate_simple(rank, extent.data(), nullptr), "H5Screate_simple"));
        h5::Space const place(h5::check(H5Dget_space(source.dataset.get()), "H5Dget_space"));
        h5::check(
            H5Sselect_hyperslab(place.get(), H5S_SELECT_SET, start.data(), nullptr, extent.data(), nullptr),
            "H5Sselect_hyperslab");
        h5::check(H5Dread(source.dataset.get(), source.type.get(), memory.get(), place.get(), H5P_DEFAULT,
                          bytes.data()),
                  "H5Dread");
    } catch (Error const& error) {
        if (error.origin() != Origin::hdf5) throw;
        fail_usage(fmt::format("{}: {}: rows {} to {} can't be read ({})", file_.string(), source.path, first,
                               first + count, error.what()));
    }
}

void UnitSource::read_rows(std::size_t array, std::uint64_t unit, std::vector<std::byte>& rows) const {
    read(sources_.at(array), map_.layout.first_row(unit), map_.layout.row_count(unit), rows);
}

void UnitSource::read_rows(std::size_t array, std::uint64_t first, std::uint64_t count,
                           std::vector<std::byte>& rows) const {
    ensure(first + count <= map_.layout.rows, "rows beyond the end of a result");
    read(sources_.at(array), first, count, rows);
}

void UnitSource::read_done(std::uint64_t unit, std::vector<std::byte>& done) const {
    read(sources_.at(done_array(map_)), map_.layout.first_row(unit), map_.layout.row_count(unit), done);
}

std::optional<std::string> UnitSource::error_text(std::uint64_t unit) const {
    if (map_.error_slots == 0) return std::nullopt;
    std::vector<std::byte> slot;
    read(sources_.at(errors_array(map_)), unit % map_.error_slots, 1, slot);
    return decode_error(slot, unit);
}

void UnitSource::for_each_row(
    std::function<void(std::uint64_t, std::optional<JournalRow> const&)> const& visit) const {
    constexpr std::uint64_t kUnitsAtOnce = 8192;
    std::uint64_t const units = map_.layout.units();
    std::vector<std::byte> block;
    for (std::uint64_t first = 0; first < units; first += kUnitsAtOnce) {
        std::uint64_t const count = std::min(kUnitsAtOnce, units - first);
        read(sources_.at(journal_array(map_)), first, count, block);
        for (std::uint64_t i = 0; i < count; ++i)
            visit(first + i,
                  decode(std::span(block).subspan(i * kJournalRowBytes, kJournalRowBytes), first + i));
    }
}

}  // namespace mpira::store
