#include "mpira/atlas/cell_matrix.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"
#include "mpira/store/anndata_reader.hpp"

#include "atlas/anndata_matrix.hpp"

namespace mpira::atlas {
namespace {

namespace fs = std::filesystem;
using Entry = genome::CellMatrix::Entry;

constexpr std::uint32_t kNoPeak = std::numeric_limits<std::uint32_t>::max();

std::int64_t whole(double value, fs::path const& file, std::string_view where) {
    if (!(value >= 0 && value == std::floor(value) && value < 9e15))
        fail_usage(fmt::format(
            "{}: {} holds {}, which is no count; raw counts were expected (in another layer, or raw/X?)",
            file.string(), where, value));
    return static_cast<std::int64_t>(value);
}

/// A matrix whose features may be genes too.
class FeatureMatrix : public genome::CellMatrix {
protected:
    /// Peaks are the features of the kind "Peaks".
    void choose_peaks(std::vector<std::string> const& names, std::vector<std::string> const& kinds) {
        require(kinds.size() == names.size(), fmt::format("{}: its features have {} names, but {} types",
                                                          files_[0].string(), names.size(), kinds.size()));
        for (std::size_t i = 0; i < names.size(); ++i) {
            bool const is_peak = kinds[i] == "Peaks";
            peak_of_feature_.push_back(is_peak ? static_cast<std::uint32_t>(peaks_.size()) : kNoPeak);
            if (is_peak) peaks_.push_back(names[i]);
        }
        require(!peaks_.empty(), fmt::format("{}: no feature is of the type 'Peaks'", files_[0].string()));
    }

    std::vector<std::uint32_t> peak_of_feature_;  ///< kNoPeak: a gene
};

/// Cell Ranger: /matrix is features x barcodes, compressed by barcode.
class CellRanger final : public FeatureMatrix {
public:
    explicit CellRanger(fs::path const& file) : reader_(file) {
        files_ = {file};
        cells_ = reader_.strings("matrix/barcodes");
        auto const ids = reader_.strings("matrix/features/id");
        auto const kinds = reader_.strings("matrix/features/feature_type");
        choose_peaks(ids, kinds);
    }

    void read(std::function<void(Entry const&)> const& each) override {
        visit_compressed(reader_, "matrix", cells_.size(), peak_of_feature_.size(),
                         [&](std::size_t cell, std::size_t feature, double value) {
                             auto const count = whole(value, files_[0], "matrix/data");
                             if (peak_of_feature_[feature] != kNoPeak && count > 0)
                                 each({peak_of_feature_[feature], static_cast<std::uint32_t>(cell), count});
                         });
    }

private:
    store::AnnDataReader reader_;
};

/// AnnData: cells x peaks.
class AnnData final : public FeatureMatrix {
public:
    AnnData(fs::path const& file, std::string values) : reader_(file), values_(std::move(values)) {
        files_ = {file};
        cells_ = reader_.index("obs");
        std::string const var = values_.starts_with("raw/") ? "raw/var" : "var";
        require(reader_.contains(values_), fmt::format("{}: has no {}", file.string(), values_));
        auto const names = reader_.index(var);
        // As scanpy's reader of Cell Ranger's multiome files keeps them.
        auto const kinds = var + "/feature_types";
        choose_peaks(names, reader_.contains(kinds) ? reader_.strings(kinds)
                                                    : std::vector<std::string>(names.size(), "Peaks"));
    }

    void read(std::function<void(Entry const&)> const& each) override {
        visit_matrix(reader_, values_, cells_.size(), peak_of_feature_.size(),
                     [&](std::size_t cell, std::size_t feature, double value) {
                         auto const peak = peak_of_feature_[feature];
                         if (peak == kNoPeak) return;
                         if (auto const count = whole(value, files_[0], values_); count > 0)
                             each({peak, static_cast<std::uint32_t>(cell), count});
                     });
    }

private:
    store::AnnDataReader reader_;
    std::string values_;
};

}  // namespace

std::unique_ptr<genome::CellMatrix> open_cell_matrix(fs::path const& path, std::string const& values) {
    require(fs::exists(path), fmt::format("{}: No such file or directory", path.string()));
    auto const refuse_values = [&] {
        require(values == "X", fmt::format("{}: has one matrix only; '{}' is a place in AnnData files",
                                           path.string(), values));
    };
    if (fs::is_directory(path)) {
        refuse_values();
        return genome::open_matrix_market(path);
    }
    bool is_cell_ranger = false;
    {
        store::AnnDataReader const reader(path);
        is_cell_ranger = reader.contains("matrix/indptr");
        require(is_cell_ranger || (reader.contains("obs") && reader.contains("var")),
                fmt::format("{}: is neither AnnData (obs, var, X) nor Cell Ranger's HDF5 (matrix)",
                            path.string()));
    }
    if (is_cell_ranger) {
        refuse_values();
        return std::make_unique<CellRanger>(path);
    }
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
    return reader.labels("obs/" + column);
}

}  // namespace mpira::atlas
