#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>
#include <set>

#include <fmt/format.h>

#include "mpira/base/draft_file.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/base/text.hpp"
#include "mpira/store/owner.hpp"
#include "mpira/store/result_file.hpp"

#include "store/anndata_writer.hpp"
#include "store/content_check.hpp"
#include "store/draft.hpp"
#include "store/hdf5.hpp"
#include "store/result_map.hpp"

namespace mpira::store {
namespace {

/// Large datasets start at multiples of it.
constexpr std::uint64_t kAlignment = 4096;

std::uint64_t product(std::vector<std::uint64_t> const& shape) {
    return std::accumulate(shape.begin(), shape.end(), std::uint64_t{1}, std::multiplies<>());
}

void check_frame(std::string const& path, Frame const& frame, std::uint64_t length,
                 std::vector<std::string> const& more) {
    ensure(frame.index.size() == length,
           fmt::format("{} has {} names for {} entries", path, frame.index.size(), length));
    std::set<std::string_view> columns{frame.index_name};
    auto const add = [&](std::string const& name) {
        ensure(!name.empty() && name != "." && name != "_index" && name.find('/') == std::string::npos,
               fmt::format("{}: '{}' can't be the name of a column", path, name));
        ensure(columns.insert(name).second, fmt::format("{}: column {} exists twice", path, name));
    };
    for (auto const& column : frame.strings) {
        add(column.name);
        ensure(column.values.size() == length, fmt::format("{}/{} has another length", path, column.name));
    }
    for (auto const& column : frame.integers) {
        add(column.name);
        ensure(column.values.size() == length, fmt::format("{}/{} has another length", path, column.name));
    }
    for (auto const& name : more) add(name);

    std::vector<std::string_view> names(frame.index.begin(), frame.index.end());
    std::sort(names.begin(), names.end());
    auto const twice = std::adjacent_find(names.begin(), names.end());
    require(twice == names.end(),
            twice == names.end()
                ? std::string()
                : fmt::format("the name '{}' occurs twice among the {}; names must be unique", *twice,
                              path == "obs" ? "rows (elements, regions, genes)" : "columns"));
}

/// The names of "obs/<name>" row arrays or "var/<name>" fixed arrays.
template <typename Array>
std::vector<std::string> columns_under(std::string_view prefix, std::vector<Array> const& arrays) {
    std::vector<std::string> names;
    for (auto const& array : arrays)
        if (array.path.starts_with(prefix)) names.push_back(array.path.substr(prefix.size()));
    return names;
}

bool is_part_of_sparse(ResultLayout const& layout, std::string const& path,
                       std::initializer_list<char const*> parts) {
    return std::any_of(layout.sparse.begin(), layout.sparse.end(), [&](SparseMatrix const& matrix) {
        return matrix.path.starts_with("obsm/") &&
               std::any_of(parts.begin(), parts.end(),
                           [&](std::string const& part) { return path == matrix.path + "/" + part; });
    });
}

void check_arrays(ResultLayout const& layout, std::uint64_t variables) {
    ensure(layout.rows > 0 && layout.rows_per_unit > 0, "a result without rows");
    std::set<std::string> paths{kDone};
    for (auto const& array : layout.row_arrays) {
        ensure(paths.insert(array.path).second, array.path + " exists twice in the layout");
        if (array.path == "X" || array.path.starts_with("layers/")) {
            ensure(array.row_shape == std::vector{variables}, array.path + " is not rows x var");
        } else if (array.path.starts_with("obs/")) {
            ensure(array.row_shape.empty(), array.path + " is not one value a row");
        } else if (array.flat) {
            ensure(is_part_of_sparse(layout, array.path, {"data", "indices"}),
                   array.path + " is flat, but no part of a sparse matrix");
        } else {
            ensure(array.path.starts_with("uns/") ||
                       (array.path.starts_with("obsm/") && !array.row_shape.empty()),
                   array.path + " has no place in an AnnData file as a row array");
        }
        ensure(array.bytes_per_row() > 0, array.path + " is empty");
    }
    for (auto const& array : layout.fixed_arrays) {
        ensure(paths.insert(array.path).second, array.path + " exists twice in the layout");
        ensure(array.path.starts_with("uns/") || array.path.starts_with("varm/") ||
                   array.path.starts_with("varp/") || array.path.starts_with("var/") ||
                   is_part_of_sparse(layout, array.path, {"indptr"}),
               array.path + " has no place in an AnnData file as a fixed array");
        if (array.path.starts_with("var")) {
            std::size_t const least = array.path.starts_with("var/") ? 1 : 2;
            ensure(array.shape.size() >= least && array.shape[0] == variables,
                   array.path + " does not have var as its first axis");
            ensure(least == 2 || array.shape.size() == 1, array.path + " is not one value a variable");
        }
        ensure(product(array.shape) > 0, array.path + " is empty");
        ensure(array.values.empty() || array.values.size() == product(array.shape) * size_of(array.type),
               array.path + " has values of another size");
    }
}

/// Makes what has rows: arrays of at least kLargeBytes, or the others.
void make_row_arrays(hid_t file, ResultLayout const& layout, bool large) {
    auto const make = [&](std::string const& path, Type type, std::vector<std::uint64_t> const& shape) {
        if ((product(shape) * size_of(type) >= kLargeBytes) == large) h5::make_array(file, path, type, shape);
    };
    make(kJournal, Type::u8, {layout.units(), kJournalRowBytes});
    make(kErrors, Type::u8, {std::min(layout.units(), kMostErrorSlots), kErrorSlotBytes});
    make(kDone, Type::boolean, {layout.rows});
    for (auto const& array : layout.row_arrays) {
        make(array.path, array.type, array.shape(layout.rows));
    }
}

/// Writes everything that has no rows.
void write_contents(hid_t file, ResultLayout const& layout, ResultTables const& tables,
                    std::vector<std::string> const& obs_columns, std::vector<std::string> const& var_columns,
                    std::string const& program) {
    {
        h5::Group const root(h5::check(H5Gopen2(file, "/", H5P_DEFAULT), "H5Gopen2"));
        h5::write_encoding(root.get(), "anndata", "0.1.0");
    }
    h5::write_frame(file, "obs", tables.obs, obs_columns);
    h5::write_frame(file, "var", tables.var, var_columns);
    for (char const* const group : {"layers", "obsm", "obsp", "uns", "varm", "varp"})
        h5::make_group(file, group, "dict", "0.1.0");
    h5::write_json(file, "uns", tables.uns);
    for (auto const& matrix : layout.sparse)
        h5::make_sparse_group(file, matrix.path, layout.rows, matrix.columns);

    h5::write_scalar(file, kFormat, std::int64_t{kFormatVersion});
    h5::write_scalar(file, kVersion, program.empty() ? std::string(MPIRA_VERSION) : program);
    h5::write_scalar(file, kIdentity, layout.identity.dump());
    h5::write_scalar(file, kLayout, layout_to_json(layout).dump());
    h5::write_scalar(file, kFinished, false);
    h5::make_array(file, kOwner, Type::u8, {kOwnerBytes});
    h5::make_array(file, kChecks, Type::i64, {2});
    double const nan = std::numeric_limits<double>::quiet_NaN();
    auto const plain = h5::contiguous();
    auto const not_yet = h5::contiguous();  // numbers that finish() will write
    h5::check(H5Pset_fill_value(not_yet.get(), H5T_NATIVE_DOUBLE, &nan), "H5Pset_fill_value");
    h5::check(H5Pset_fill_time(not_yet.get(), H5D_FILL_TIME_ALLOC), "H5Pset_fill_time");
    for (auto const& array : layout.fixed_arrays) {
        auto const dataset = h5::make_array(file, array.path, array.type, array.shape,
                                            array.values.empty() && is_float(array.type) ? not_yet : plain);
        if (array.values.empty()) continue;
        h5::check(H5Dwrite(dataset.get(), h5::stored_type(array.type).get(), H5S_ALL, H5S_ALL, H5P_DEFAULT,
                           array.values.data()),
                  "H5Dwrite");
    }
}

/// With `rows_wait`, only what is written at creation must fit: HDF5 1.10 crashes at exit after a creation
/// that met a full disk, so it must not get there.
void require_space(std::filesystem::path const& folder, std::uint64_t planned, std::uint64_t rows,
                   bool rows_wait, FileIo& io) {
    std::int64_t const free = io.free_bytes(folder);
    if (free < 0)
        fail_usage(fmt::format("can't look at folder {}: {}", folder.string(), std::strerror(errno)));
    std::uint64_t const needed = rows_wait ? planned - rows : planned;
    require(static_cast<std::uint64_t>(free) >= needed,
            fmt::format(
                "the result needs {} ({} bytes){}, but {} has {} ({} bytes) free; free some space{} choose "
                "another --output{}",
                text::bytes(needed), needed, rows_wait ? " even without its rows" : "", folder.string(),
                text::bytes(static_cast<std::uint64_t>(free)), free, rows_wait ? " or" : ",",
                rows_wait ? "" : ", or pass --no-reserve"));
}

}  // namespace

std::uint64_t ResultFile::planned_bytes(ResultLayout const& layout, ResultTables const& tables) {
    constexpr std::uint64_t kFormatOverhead = 64ULL * 1024;
    constexpr std::uint64_t kPerString = 16 + 16 + 8;  // reference, heap object header, padding
    std::uint64_t bytes = kFormatOverhead + layout.identity.dump().size() + tables.uns.dump().size() * 5 / 4;
    for (auto const& array : layout.row_arrays) bytes += layout.rows * array.bytes_per_row() + kAlignment;
    for (auto const& array : layout.fixed_arrays)
        bytes += product(array.shape) * size_of(array.type) + kAlignment;
    bytes += layout.rows + layout.units() * kJournalRowBytes + kOwnerBytes + 3 * kAlignment;
    bytes += std::min(layout.units(), kMostErrorSlots) * kErrorSlotBytes;
    for (auto const* frame : {&tables.obs, &tables.var}) {
        for (auto const& name : frame->index) bytes += name.size() + kPerString;
        for (auto const& column : frame->strings) {
            if (column.categorical)
                bytes += column.values.size();
            else
                for (auto const& value : column.values) bytes += value.size() + kPerString;
        }
        for (auto const& column : frame->integers) bytes += column.values.size() * sizeof(std::int64_t);
    }
    return bytes;
}

void ResultFile::create(std::filesystem::path const& file, ResultLayout const& layout,
                        ResultTables const& tables, CreateOptions const& options) {
    FileIo& io = options.io != nullptr ? *options.io : system_io();
    check_arrays(layout, tables.var.index.size());
    auto obs_columns = columns_under("obs/", layout.row_arrays);
    obs_columns.emplace_back("done");
    auto const var_columns = columns_under("var/", layout.fixed_arrays);
    check_frame("obs", tables.obs, layout.rows, obs_columns);
    check_frame("var", tables.var, tables.var.index.size(), var_columns);
    ensure(!tables.uns.contains("mpira"), "uns/mpira is the file's own");

    require_new(file, options.overwrite);
    auto const folder = folder_of(file);
    std::uint64_t rows = 0;
    for (auto const& array : layout.row_arrays) rows += layout.rows * array.bytes_per_row();
    require_space(folder, planned_bytes(layout, tables), rows, !options.reserve, io);

    Draft draft(file, io, options.stripes);
    {
        auto opened = create_hdf5(draft.path());
        write_contents(opened.get(), layout, tables, obs_columns, var_columns, options.program);
        make_row_arrays(opened.get(), layout, false);
        h5::check(opened.close(), "closing " + draft.path().string());
        opened = reopen_for_large(draft.path());
        make_row_arrays(opened.get(), layout, true);
        h5::check(opened.close(), "closing " + draft.path().string());
    }
    auto const bytes = std::filesystem::file_size(draft.path());
    if (options.reserve) {
        int const code = io.reserve(draft.descriptor(), bytes);
        if (code == ENOSPC || code == EDQUOT || code == EFBIG) {
            fail_usage(fmt::format("the result needs {} ({} bytes), which {} can't give: {}",
                                   text::bytes(bytes), bytes, folder.string(), std::strerror(code)));
        }
        if (code != 0)
            log::warning("{}: blocks could not be reserved ({}); a full disk would be met later",
                         file.string(), std::strerror(code));
    }
    record_tables(io, draft.descriptor(), draft.path(), read_result_map(draft.path()));
    draft.place(options.overwrite, options.owner_wait_s);
}

}  // namespace mpira::store
