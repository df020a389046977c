#include "mpira/atlas/cell_matrix.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"
#include "mpira/store/anndata_reader.hpp"

namespace mpira::atlas {
namespace {

namespace fs = std::filesystem;
using Entry = genome::CellMatrix::Entry;

constexpr std::uint64_t kEntriesAtOnce = 1 << 20;
constexpr std::uint32_t kNoPeak = std::numeric_limits<std::uint32_t>::max();

/// A compressed sparse matrix in HDF5: along its major axis, entries of i are [indptr[i], indptr[i + 1]).
class Compressed {
public:
    Compressed(store::AnnDataReader const& reader, std::string group, std::uint64_t majors,
               std::uint64_t minors)
        : reader_(reader),
          group_(std::move(group)),
          minors_(minors),
          ends_(reader.integers(group_ + "/indptr")) {
        bool const sorted = std::ranges::is_sorted(ends_);
        if (ends_.size() != majors + 1 || ends_.front() != 0 || !sorted ||
            reader.info(group_ + "/data").size() != static_cast<std::uint64_t>(ends_.back()) ||
            reader.info(group_ + "/indices").size() != static_cast<std::uint64_t>(ends_.back()))
            refuse(fmt::format("indptr, indices and data don't fit together for {} x {}", majors, minors));
    }

    /// each(major, minor, value)
    template <typename Each>
    void read(Each&& each) const {
        auto const all = static_cast<std::uint64_t>(ends_.back());
        std::size_t major = 0;
        for (std::uint64_t first = 0; first < all; first += kEntriesAtOnce) {
            auto const count = std::min(kEntriesAtOnce, all - first);
            auto const indices = reader_.integers(group_ + "/indices", first, count);
            auto const values = reader_.numbers(group_ + "/data", first, count);
            for (std::uint64_t i = 0; i < count; ++i) {
                while (static_cast<std::uint64_t>(ends_[major + 1]) <= first + i) ++major;
                if (indices[i] < 0 || static_cast<std::uint64_t>(indices[i]) >= minors_)
                    refuse(fmt::format("an index of {}, expected 0 to {}", indices[i], minors_ - 1));
                each(major, static_cast<std::size_t>(indices[i]), values[i]);
            }
        }
    }

private:
    [[noreturn]] void refuse(std::string_view what) const {
        fail_usage(fmt::format("{}: {}: {}", reader_.file().string(), group_, what));
    }

    store::AnnDataReader const& reader_;
    std::string group_;
    std::uint64_t minors_;
    std::vector<std::int64_t> ends_;
};

std::int64_t whole(double value, fs::path const& file, std::string_view where) {
    require(value >= 0 && value == std::floor(value) && value < 9e15,
            fmt::format(
                "{}: {} holds {}, which is no count; raw counts were expected (in another layer, or raw/X?)",
                file.string(), where, value));
    return static_cast<std::int64_t>(value);
}

/// Cell Ranger: /matrix is features x barcodes, compressed by barcode.
class CellRanger final : public genome::CellMatrix {
public:
    explicit CellRanger(fs::path const& file) : reader_(file) {
        files_ = {file};
        cells_ = reader_.strings("matrix/barcodes");
        auto const ids = reader_.strings("matrix/features/id");
        auto const kinds = reader_.strings("matrix/features/feature_type");
        require(
            ids.size() == kinds.size(),
            fmt::format("{}: matrix/features: id and feature_type are of different lengths", file.string()));
        for (std::size_t row = 0; row < ids.size(); ++row) {
            bool const is_peak = kinds[row] == "Peaks";
            peak_of_row_.push_back(is_peak ? static_cast<std::uint32_t>(peaks_.size()) : kNoPeak);
            if (is_peak) peaks_.push_back(ids[row]);
        }
        require(!peaks_.empty(), fmt::format("{}: no feature is of the type 'Peaks'", file.string()));
    }

    void read(std::function<void(Entry const&)> const& each) override {
        Compressed const matrix(reader_, "matrix", cells_.size(), peak_of_row_.size());
        matrix.read([&](std::size_t cell, std::size_t row, double value) {
            auto const count = whole(value, files_[0], "matrix/data");
            if (peak_of_row_[row] != kNoPeak && count > 0)
                each({peak_of_row_[row], static_cast<std::uint32_t>(cell), count});
        });
    }

private:
    store::AnnDataReader reader_;
    std::vector<std::uint32_t> peak_of_row_;
};

/// AnnData: cells x peaks.
class AnnData final : public genome::CellMatrix {
public:
    AnnData(fs::path const& file, std::string values) : reader_(file), values_(std::move(values)) {
        files_ = {file};
        cells_ = reader_.index("obs");
        peaks_ = reader_.index(values_.starts_with("raw/") ? "raw/var" : "var");
        require(reader_.contains(values_), fmt::format("{}: has no {}", file.string(), values_));
    }

    void read(std::function<void(Entry const&)> const& each) override {
        auto const kind = reader_.encoding(values_);
        auto const give = [&](std::size_t cell, std::size_t peak, double value) {
            if (auto const count = whole(value, files_[0], values_); count > 0)
                each({static_cast<std::uint32_t>(peak), static_cast<std::uint32_t>(cell), count});
        };
        if (kind == "csr_matrix") {
            Compressed(reader_, values_, cells_.size(), peaks_.size()).read(give);
        } else if (kind == "csc_matrix") {
            Compressed(reader_, values_, peaks_.size(), cells_.size())
                .read([&](std::size_t peak, std::size_t cell, double value) { give(cell, peak, value); });
        } else {
            read_dense(give);
        }
    }

private:
    template <typename Give>
    void read_dense(Give const& give) const {
        auto const info = reader_.info(values_);
        require(info.shape.size() == 2 && info.shape[0] == cells_.size() && info.shape[1] == peaks_.size(),
                fmt::format("{}: {} is not cells x peaks, {} x {}", files_[0].string(), values_,
                            cells_.size(), peaks_.size()));
        auto const at_once =
            std::max<std::uint64_t>(1, kEntriesAtOnce / std::max<std::size_t>(1, peaks_.size()));
        for (std::uint64_t first = 0; first < cells_.size(); first += at_once) {
            auto const rows = std::min<std::uint64_t>(at_once, cells_.size() - first);
            auto const block = reader_.numbers(values_, first, rows);
            for (std::size_t i = 0; i < block.size(); ++i)
                give(first + i / peaks_.size(), i % peaks_.size(), block[i]);
        }
    }

    store::AnnDataReader reader_;
    std::string values_;
};

}  // namespace

std::unique_ptr<genome::CellMatrix> open_cell_matrix(fs::path const& path, std::string const& values) {
    require(fs::exists(path), fmt::format("{}: No such file or directory", path.string()));
    if (fs::is_directory(path)) return genome::open_matrix_market(path);
    bool is_cell_ranger = false;
    {
        store::AnnDataReader const reader(path);
        is_cell_ranger = reader.contains("matrix/indptr");
        require(is_cell_ranger || (reader.contains("obs") && reader.contains("var")),
                fmt::format("{}: is neither AnnData (obs, var, X) nor Cell Ranger's HDF5 (matrix)",
                            path.string()));
    }
    if (is_cell_ranger) return std::make_unique<CellRanger>(path);
    return std::make_unique<AnnData>(path, values);
}

std::vector<std::string> cell_types_of(fs::path const& file, std::string const& column) {
    store::AnnDataReader const reader(file);
    require(reader.contains("obs"),
            fmt::format("{}: has no obs: only AnnData names cell types", file.string()));
    if (column == "index") return reader.index("obs");
    auto const columns = reader.columns("obs");
    require(std::ranges::find(columns, column) != columns.end(),
            fmt::format("{}: obs has no column '{}'{}; it has {}", file.string(), column,
                        text::did_you_mean(column, columns), fmt::join(columns, ", ")));
    return reader.strings("obs/" + column);
}

}  // namespace mpira::atlas
