#include <algorithm>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "mpira/atlas/cell_matrix.hpp"
#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/base/text.hpp"
#include "mpira/genome/regions.hpp"

#include "jobs/counts.hpp"
#include "jobs/region_frame.hpp"

/// Counts of cells that another program made, added up to cell types. A matrix of cells has no order by
/// region, so every rank reads it whole, once, when it starts, and keeps regions x cell types.
namespace mpira::jobs {
namespace {

constexpr std::int64_t kNowhere = -1;

/// The region of a peak called "chr1:100-500", "chr1-100-500" or "chr1_100_500"; nothing where its chromosome
/// is not one of ours.
std::optional<genome::Region> region_of(std::string_view name, genome::ChromSizes const& chroms,
                                        std::filesystem::path const& file) {
    auto const second = name.find_last_of("-_");
    auto const first =
        second == std::string_view::npos || second == 0 ? second : name.find_last_of(":-_", second - 1);
    std::optional<std::int64_t> start;
    std::optional<std::int64_t> end;
    if (first != std::string_view::npos && first != second) {
        start = text::to_integer(name.substr(first + 1, second - first - 1));
        end = text::to_integer(name.substr(second + 1));
    }
    require(start && end && 0 <= *start && *start < *end,
            fmt::format("{}: '{}' names no peak: expected chr:start-end", file.string(), name));
    auto const chrom = chroms.find(name.substr(0, first));
    if (!chrom) return std::nullopt;
    require(
        *end <= chroms.length(*chrom),
        fmt::format("{}: peak '{}' ends after its chromosome, which has {} bp: is it of another assembly?",
                    file.string(), name, chroms.length(*chrom)));
    return genome::Region{*chrom, *start, *end};
}

/// Two of one name would be added up, as if it were meant.
void refuse_twice(std::span<std::string const> names, std::string_view what,
                  std::filesystem::path const& file) {
    std::vector<std::string_view> sorted(names.begin(), names.end());
    std::ranges::sort(sorted);
    auto const twice = std::ranges::adjacent_find(sorted);
    if (twice != sorted.end())
        fail_usage(fmt::format("{}: {} '{}' is there twice", file.string(), what, *twice));
}

class MatrixCounts final : public store::Job {
public:
    explicit MatrixCounts(Settings const& settings)
        : settings_(settings), chroms_(genome::ChromSizes::read(settings.path("genome.chrom_sizes"))) {
        open_sources();
        choose_regions();
        for (auto& source : sources_) add(source);
        for (std::size_t type = 0; type < cell_types_.size(); ++type)
            log::info("{}: {} counts, in regions or not", cell_types_[type], totals_[type]);
        make_layout();
    }

    [[nodiscard]] store::ResultLayout const& layout() const override { return layout_; }
    [[nodiscard]] store::ResultTables tables() const override {
        store::ResultTables tables;
        tables.obs = region_frame(regions_, names_, chroms_);
        tables.var.index = cell_types_;
        tables.uns["assembly"] = settings_.text("genome.assembly");
        tables.uns["counted"] = "matrix";
        tables.uns["notes"] = {
            {"X", "counts of each region and cell type, as the matrices have them"},
            {"total",
             "the sum of a cell type's counts in the matrices, also on peaks that are no region here; "
             "fragments outside all peaks are not in them"},
            {"largest", "the largest count of a cell type"}};
        return tables;
    }
    [[nodiscard]] double relative_cost(std::uint64_t /*unit*/) const override { return 1; }
    void run(std::uint64_t /*unit*/, store::UnitRows& rows, std::stop_token /*stop*/) override {
        auto const out = rows.array<std::int32_t>("X");
        auto const first = static_cast<std::size_t>(rows.first_row()) * cell_types_.size();
        std::copy_n(counts_.begin() + static_cast<std::ptrdiff_t>(first), out.size(), out.begin());
    }
    void finish(store::FinishedRows& rows) override {
        std::ranges::copy(totals_, rows.fixed_array<std::int64_t>("uns/total").begin());
        auto const largest = rows.fixed_array<std::int64_t>("uns/largest");
        std::ranges::fill(largest, 0);
        auto const counts = rows.array<std::int32_t>("X");
        for (std::size_t i = 0; i < counts.size(); ++i) {
            auto& most = largest[i % largest.size()];
            most = std::max<std::int64_t>(most, counts[i]);
        }
    }
    [[nodiscard]] std::string describe() const override {
        return fmt::format("{} matrices to {} regions x {} cell types", sources_.size(), regions_.size(),
                           cell_types_.size());
    }

private:
    struct Source {
        std::unique_ptr<genome::CellMatrix> matrix;
        std::vector<std::int64_t> type_of_cell;  ///< kNowhere: of none
        std::vector<std::optional<genome::Region>> regions;
    };

    void open_sources();
    std::vector<std::int64_t> types_of_cells(genome::CellMatrix const& matrix);
    void choose_regions();
    void add(Source& source);
    void make_layout();

    Settings settings_;
    genome::ChromSizes chroms_;
    std::vector<std::string> cell_types_;
    std::optional<Barcodes> barcodes_;
    std::vector<Source> sources_;
    std::vector<genome::Region> regions_;
    std::vector<std::string> names_;    ///< of regions; empty: by their place
    std::vector<std::int32_t> counts_;  ///< regions x cell types
    std::vector<std::int64_t> totals_;  ///< a cell type
    store::ResultLayout layout_;
};

void MatrixCounts::open_sources() {
    auto const barcodes = settings_.path("barcodes");
    bool const by_column = !settings_.text("matrix.cell_types").empty();
    if (!barcodes.empty()) {
        if (by_column)
            settings_.refuse("matrix.cell_types", "cell types come from barcodes or from here, not both");
        barcodes_.emplace(barcodes);
        cell_types_ = barcodes_->cell_types();
    }
    for (auto const& item : settings_.texts("matrices")) {
        auto const named = barcodes_ || by_column ? NamedFile{0, item}
                                                  : named_file(item, settings_, "matrices", cell_types_);
        if (by_column && std::filesystem::is_directory(named.file))
            settings_.refuse("matrix.cell_types",
                             fmt::format("{} is a folder, and only AnnData names cell types; give barcodes",
                                         named.file.string()));
        Source source;
        source.matrix = atlas::open_cell_matrix(named.file, settings_.text("matrix.values"));
        source.type_of_cell = barcodes_ || by_column
                                  ? types_of_cells(*source.matrix)
                                  : std::vector<std::int64_t>(source.matrix->cells().size(), named.number);
        auto const known =
            std::ranges::count_if(source.type_of_cell, [](auto type) { return type != kNowhere; });
        require(known > 0, fmt::format("{}: none of its {} cells has a cell type; its first barcode is '{}'",
                                       named.file.string(), source.type_of_cell.size(),
                                       source.matrix->cells().empty() ? "" : source.matrix->cells().front()));
        log::info("{}: {} cells, {} of them of a cell type, {} peaks", named.file.string(),
                  source.type_of_cell.size(), known, source.matrix->peaks().size());
        refuse_twice(source.matrix->peaks(), "peak", named.file);
        if (barcodes_) refuse_twice(source.matrix->cells(), "barcode", named.file);
        for (auto const& peak : source.matrix->peaks())
            source.regions.push_back(region_of(peak, chroms_, named.file));
        sources_.push_back(std::move(source));
    }
}

std::vector<std::int64_t> MatrixCounts::types_of_cells(genome::CellMatrix const& matrix) {
    std::vector<std::int64_t> types;
    if (barcodes_) {
        for (auto const& cell : matrix.cells()) {
            auto const type = barcodes_->find(cell);
            types.push_back(type ? std::int64_t{*type} : kNowhere);
        }
        return types;
    }
    for (auto const& name :
         atlas::cell_types_of(matrix.files().front(), settings_.text("matrix.cell_types"))) {
        if (name.empty()) {
            types.push_back(kNowhere);
            continue;
        }
        auto const found = std::ranges::find(cell_types_, name);
        types.push_back(found - cell_types_.begin());
        if (found == cell_types_.end()) cell_types_.push_back(name);
    }
    require(types.size() == matrix.cells().size(),
            fmt::format("{}: obs/{} has {} values for {} cells", matrix.files().front().string(),
                        settings_.text("matrix.cell_types"), types.size(), matrix.cells().size()));
    return types;
}

void MatrixCounts::choose_regions() {
    if (auto const file = settings_.path("regions.bed"); !file.empty()) {
        auto bed = genome::read_bed(file, chroms_);
        log::info("{}: {}", file.string(), bed.report.describe());
        regions_ = std::move(bed.regions);
        names_ = std::move(bed.names);
    } else {
        for (auto const& source : sources_)
            for (auto const& region : source.regions)
                if (region) regions_.push_back(*region);
        std::ranges::sort(regions_);
        auto const repeated = std::ranges::unique(regions_);
        regions_.erase(repeated.begin(), repeated.end());
        require(!regions_.empty(), fmt::format("{}: no peak lies on a chromosome of {}",
                                               sources_.front().matrix->files().front().string(),
                                               settings_.text("genome.chrom_sizes")));
    }
    counts_.resize(regions_.size() * cell_types_.size());
    totals_.resize(cell_types_.size());
}

void MatrixCounts::add(Source& source) {
    std::vector<std::int64_t> row_of_peak;
    for (auto const& region : source.regions) {
        auto const at = region ? std::ranges::lower_bound(regions_, *region) : regions_.end();
        row_of_peak.push_back(at != regions_.end() && *at == *region ? at - regions_.begin() : kNowhere);
    }
    auto const& file = source.matrix->files().front();
    auto const found = std::ranges::count_if(row_of_peak, [](auto row) { return row != kNowhere; });
    require(found > 0,
            fmt::format("{}: none of its {} peaks is one of the regions; peaks keep their counts only "
                        "where they are the same: leave regions.bed empty, or count fragments",
                        file.string(), row_of_peak.size()));
    if (found < std::ssize(row_of_peak) || found < std::ssize(regions_))
        log::warning(
            "{}: {} of its {} peaks are regions, {} of {} regions are its peaks; the others have no counts",
            file.string(), found, row_of_peak.size(), found, regions_.size());
    source.matrix->read([&](genome::CellMatrix::Entry const& entry) {
        auto const type = source.type_of_cell[entry.cell];
        if (type == kNowhere) return;
        totals_[static_cast<std::size_t>(type)] += entry.count;
        auto const row = row_of_peak[entry.peak];
        if (row == kNowhere) return;
        auto& count =
            counts_[static_cast<std::size_t>(row) * cell_types_.size() + static_cast<std::size_t>(type)];
        require(entry.count <= std::numeric_limits<std::int32_t>::max() - count,
                fmt::format("{}: more than 32 bits count in region {}", file.string(),
                            chroms_.label(regions_[static_cast<std::size_t>(row)])));
        count += static_cast<std::int32_t>(entry.count);
    });
}

void MatrixCounts::make_layout() {
    layout_ = counts_layout(settings_, regions_.size(), cell_types_.size());
    ContentHash content;
    for (auto const& name : cell_types_) content.add(name);
    for (auto const& region : regions_) content.add(chroms_.label(region));
    content.add(std::as_bytes(std::span(counts_))).add(std::as_bytes(std::span(totals_)));
    layout_.identity["content of counts"] = content.hex();
}

}  // namespace

std::unique_ptr<store::Job> count_matrices(Settings const& settings) {
    return std::make_unique<MatrixCounts>(settings);
}

}  // namespace mpira::jobs
