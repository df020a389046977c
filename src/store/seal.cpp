#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/store/file_io.hpp"
#include "mpira/store/inspect.hpp"

#include "store/anndata_writer.hpp"
#include "store/content_check.hpp"
#include "store/draft.hpp"
#include "store/unit_source.hpp"

namespace mpira::store {
namespace {

/// Chunks hold whole units, so that a unit is compressed once, and about this many bytes.
constexpr std::uint64_t kChunkBytes = 1 << 18;

std::uint64_t rows_per_chunk(ResultLayout const& layout, std::uint64_t row_bytes) {
    std::uint64_t const unit_bytes = row_bytes * layout.rows_per_unit;
    std::uint64_t const units = std::max<std::uint64_t>(1, kChunkBytes / unit_bytes);
    constexpr std::uint64_t kMostChunkBytes = 1ULL << 31;  // HDF5: below 4 GiB
    std::uint64_t const most = std::max<std::uint64_t>(1, kMostChunkBytes / row_bytes);
    return std::min({layout.rows, units * layout.rows_per_unit, most});
}

std::string names_of(std::vector<std::uint64_t> const& units) {
    constexpr std::size_t kMost = 5;
    std::string text;
    for (std::size_t i = 0; i < std::min(kMost, units.size()); ++i)
        text += fmt::format("{}{}", i > 0 ? ", " : "", units[i]);
    if (units.size() > kMost) text += fmt::format(" and {} more", units.size() - kMost);
    return text;
}

/// One array of the copy, written in whole chunks.
class ChunkedOutput {
public:
    ChunkedOutput(hid_t file, std::string const& path, Type type, std::vector<std::uint64_t> shape,
                  std::uint64_t chunk_rows, int level)
        : shape_(std::move(shape)), chunk_rows_(chunk_rows) {
        std::vector<std::uint64_t> chunk = shape_;
        chunk[0] = chunk_rows;
        dataset_ = h5::make_array(file, path, type, shape_, h5::compressed(chunk, level));
        type_ = h5::stored_type(type);
        row_bytes_ = size_of(type);
        for (std::size_t i = 1; i < shape_.size(); ++i) row_bytes_ *= shape_[i];
    }
    void add(std::vector<std::byte> const& rows) {
        pending_.insert(pending_.end(), rows.begin(), rows.end());
        std::uint64_t const whole = pending_.size() / row_bytes_;
        if (whole >= chunk_rows_) write(whole - whole % chunk_rows_);
    }
    void flush() { write(pending_.size() / row_bytes_); }

private:
    void write(std::uint64_t count) {
        if (count == 0) return;
        std::vector<hsize_t> start(shape_.size(), 0);
        std::vector<hsize_t> extent(shape_.begin(), shape_.end());
        start[0] = written_;
        extent[0] = count;
        h5::Space const memory(h5::check(
            H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr), "H5Screate_simple"));
        h5::Space const place(h5::check(H5Dget_space(dataset_.get()), "H5Dget_space"));
        h5::check(
            H5Sselect_hyperslab(place.get(), H5S_SELECT_SET, start.data(), nullptr, extent.data(), nullptr),
            "H5Sselect_hyperslab");
        h5::check(
            H5Dwrite(dataset_.get(), type_.get(), memory.get(), place.get(), H5P_DEFAULT, pending_.data()),
            "H5Dwrite");
        pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(count * row_bytes_));
        written_ += count;
    }
    std::vector<std::uint64_t> shape_;
    std::uint64_t chunk_rows_;
    std::uint64_t row_bytes_ = 0;
    std::uint64_t written_ = 0;
    h5::Dataset dataset_;
    h5::Datatype type_;
    std::vector<std::byte> pending_;
};

/// Copies what is not written row by row: groups with their attributes, strings, fixed arrays.
void copy_rest(UnitSource const& source, hid_t out, std::string const& group,
               std::vector<std::string> const& left_out) {
    auto const is_above_one = [&](std::string const& path) {
        return std::any_of(left_out.begin(), left_out.end(),
                           [&](auto const& skipped) { return skipped.starts_with(path + "/"); });
    };
    AnnDataReader const reader(source.file());
    for (auto const& name : reader.keys(group)) {
        std::string const path = group.empty() ? name : group + "/" + name;
        if (std::find(left_out.begin(), left_out.end(), path) != left_out.end()) continue;
        if (!is_above_one(path)) {
            h5::make_parents(out, path);
            h5::check(H5Ocopy(source.raw(), path.c_str(), out, path.c_str(), H5P_DEFAULT, H5P_DEFAULT), path);
            continue;
        }
        // A group that holds row arrays: made anew, since H5Ocopy would bring them too.
        std::string const kind = reader.encoding(path);
        auto const& sparse = source.map().layout.sparse;
        auto const matrix =
            std::find_if(sparse.begin(), sparse.end(), [&](auto const& one) { return one.path == path; });
        if (matrix != sparse.end()) {
            h5::make_sparse_group(out, path, source.map().layout.rows, matrix->columns);
            copy_rest(source, out, path, left_out);
            continue;
        }
        auto const made = h5::make_group(out, path, kind.c_str(), kind == "dataframe" ? "0.2.0" : "0.1.0");
        if (kind == "dataframe") {
            h5::Object const from(h5::check(H5Oopen(source.raw(), path.c_str(), H5P_DEFAULT), path));
            h5::write_attribute(made.get(), "_index", h5::text_attribute(from.get(), "_index"));
            h5::write_attribute(made.get(), "column-order", reader.columns(path));
        }
        copy_rest(source, out, path, left_out);
    }
}

/// Row arrays, obs/done and the journal, each unit compared with its CRC on the way.
void copy_rows(UnitSource const& source, hid_t out, int level, Progress const& progress) {
    auto const& layout = source.map().layout;
    std::vector<ChunkedOutput> outputs;
    for (auto const& array : layout.row_arrays) {
        auto const values = array.flat ? array.bytes_per_row() / size_of(array.type) : 1;
        outputs.emplace_back(out, array.path, array.type, array.shape(layout.rows),
                             rows_per_chunk(layout, array.bytes_per_row()) * values, level);
    }
    ChunkedOutput done(out, kDone, Type::boolean, {layout.rows}, rows_per_chunk(layout, 1), level);
    constexpr std::uint64_t kJournalChunk = 2048;
    ChunkedOutput journal(out, kJournal, Type::u8, {layout.units(), kJournalRowBytes},
                          std::min(kJournalChunk, layout.units()), level);
    std::vector<std::byte> bytes;
    std::vector<std::uint64_t> bad;
    constexpr std::uint64_t kTellEvery = 256;
    source.for_each_row([&](std::uint64_t unit, std::optional<JournalRow> const& row) {
        if (progress && unit % kTellEvery == 0) progress(unit, layout.units());
        bool const is_done = row && row->state == UnitState::done;
        std::uint32_t crc = 0;
        for (std::size_t array = 0; array < outputs.size(); ++array) {
            source.read_rows(array, unit, bytes);
            if (is_done)
                crc = crc32(bytes, crc);
            else
                std::fill(bytes.begin(), bytes.end(),
                          std::byte{0});  // half-written rows are nobody's results
            outputs[array].add(bytes);
        }
        if (is_done && crc != row->data_crc) bad.push_back(unit);
        bytes.assign(layout.row_count(unit), std::byte{is_done});
        done.add(bytes);
        JournalRow open;
        open.unit = unit;
        auto const encoded = encode(row.value_or(open));
        journal.add({encoded.begin(), encoded.end()});
    });
    require(bad.empty(), bad.empty()
                             ? std::string()
                             : fmt::format("{}: the data of unit {} differs from its checksum; run the "
                                           "campaign again with resume.check = \"all\" to repair it",
                                           source.file().string(), names_of(bad)));
    for (auto& output : outputs) output.flush();
    done.flush();
    journal.flush();
}

}  // namespace

void seal(std::filesystem::path const& file, std::filesystem::path const& out, SealOptions const& options,
          Progress const& progress) {
    UnitSource const source(file);
    require(!source.map().sealed, fmt::format("{} is sealed already", file.string()));
    // The journal is what counts: a row of it may have been damaged after `finished` was written.
    std::vector<std::uint64_t> not_done;
    std::uint64_t torn = 0;
    source.for_each_row([&](std::uint64_t unit, std::optional<JournalRow> const& row) {
        if (!row) ++torn;
        if (!row || row->state != UnitState::done) not_done.push_back(unit);
    });
    std::uint64_t const units = source.map().layout.units();
    bool const complete = source.map().finished && not_done.empty();
    if (!complete && !options.partial) {
        fail_usage(
            fmt::format("{} is not finished ({} of {} units done{}{}); run the campaign's command again{}, "
                        "or pass --partial",
                        file.string(), units - not_done.size(), units,
                        not_done.empty() ? std::string() : fmt::format(", not unit {}", names_of(not_done)),
                        torn > 0 ? fmt::format("; {} of them by a damaged journal row", torn) : std::string(),
                        source.map().finished ? " with --set resume.check=all to repair it" : " to its end"));
    }
    require(
        tables_hold(file, source.map()).value_or(true),
        fmt::format("{}: names, settings or fixed arrays differ from their checksum; take a sound copy of "
                    "the file, or start over with --fresh",
                    file.string()));
    require_new(out, options.overwrite);
    FileIo& io = options.io != nullptr ? *options.io : system_io();
    Draft draft(out, io);
    {
        auto target = create_hdf5(draft.path());
        {
            h5::Group const root(h5::check(H5Gopen2(target.get(), "/", H5P_DEFAULT), "H5Gopen2"));
            h5::write_encoding(root.get(), "anndata", "0.1.0");
        }
        std::vector<std::string> left_out{kDone, kJournal, kOwner, kFinished, kChecks};
        for (auto const& array : source.map().layout.row_arrays) left_out.push_back(array.path);
        copy_rest(source, target.get(), "", left_out);
        h5::write_scalar(target.get(), kFinished, complete);
        h5::write_scalar(target.get(), kSealed, true);
        h5::make_array(target.get(), kChecks, Type::i64, {2});
        copy_rows(source, target.get(), options.level, progress);
        h5::check(target.close(), "closing " + draft.path().string());
    }
    record_tables(io, draft.descriptor(), draft.path(), read_result_map(draft.path()));
    // Read back: what the disk holds is what the journal says.
    auto const verdict = verify(draft.path(), progress);
    if (!verdict.good())
        throw Error(Origin::system,
                    fmt::format("{}: the copy reads back wrong; is the disk sound?", out.string()));
    require(verdict.checked == units - not_done.size(),
            fmt::format("{} was written to while it was sealed; seal it again", file.string()));
    draft.place(options.overwrite, 0);
}

}  // namespace mpira::store
