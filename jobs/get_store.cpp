#include "jobs/get_store.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/base/text.hpp"
#include "mpira/genome/windows.hpp"

namespace mpira::jobs {
namespace {

/// The sizes' chromosomes in the order in which the peaks have them; the others behind these.
genome::ChromSizes in_order_of(std::vector<std::string> const& peaks, genome::ChromSizes const& sizes,
                               std::string const& where) {
    std::vector<std::string> names;
    for (auto const& peak : peaks) {
        auto const name = peak.substr(0, peak.rfind(':'));
        if (!names.empty() && names.back() == name) continue;
        require(
            std::ranges::find(names, name) == names.end(),
            fmt::format("{}: peak '{}' stands after peaks of another chromosome, which stand after peaks of "
                        "its own; rows must be sorted by chromosome",
                        where, peak));
        if (!sizes.find(name)) {
            std::vector<std::string> const known(sizes.names().begin(), sizes.names().end());
            fail_usage(fmt::format("{}: peak '{}' is on a chromosome that genome.chrom_sizes lacks{}", where,
                                   peak, text::did_you_mean(name, known)));
        }
        names.push_back(name);
    }
    for (auto const& name : sizes.names())
        if (std::ranges::find(names, name) == names.end()) names.push_back(name);
    std::vector<std::int64_t> lengths;
    for (auto const& name : names) lengths.push_back(sizes.length(*sizes.find(name)));
    return {std::move(names), std::move(lengths)};
}

std::vector<std::string> read_peaks(store::ZarrReader const& zarr) {
    for (auto const* const array : {"data", "peak_names", "motif_names"})
        require(zarr.contains(array),
                fmt::format("{}: has no array '{}'; a data set of GET has data, peak_names and motif_names",
                            zarr.folder().string(), array));
    auto peaks = zarr.strings("peak_names");
    require(!peaks.empty(), fmt::format("{}: peak_names is empty", zarr.folder().string()));
    return peaks;
}

}  // namespace

GetStore::GetStore(Settings const& settings)
    : zarr_(settings.path("zarr")),
      peaks_(read_peaks(zarr_)),
      chroms_(
          in_order_of(peaks_, genome::ChromSizes::read(settings.path("genome.chrom_sizes")), peaks_file())) {
    read_regions();
    peaks_ = {};  // most of the memory
    read_features();
    choose_cell_types(settings);
    read_promoters();
}

void GetStore::read_regions() {
    auto const where = peaks_file();
    for (auto const& peak : peaks_) {
        auto const place = genome::parse_held_out(peak, where);
        auto const chrom = chroms_.find(place.chrom);
        genome::Region const region{*chrom, place.start, place.end};
        require(region.end > region.start && region.end <= chroms_.length(*chrom),
                fmt::format("{}: peak '{}' is no interval of {}, which has {} bp", where, peak, place.chrom,
                            chroms_.length(*chrom)));
        require(
            regions_.empty() || regions_.back() < region,
            fmt::format("{}: peak '{}' stands after '{}'; rows must be sorted by start and end, and differ: "
                        "in a data set that is not, features and peaks may not belong together",
                        where, peak, regions_.empty() ? peak : chroms_.label(regions_.back())));
        regions_.push_back(region);
    }
}

void GetStore::read_features() {
    features_ = zarr_.strings("motif_names");
    for (std::size_t i = 0; i < features_.size(); ++i)
        require(text::is_utf8(features_[i]),
                fmt::format("{}: motif_names: name {} is no text in UTF-8", folder(), i));
    auto sorted = features_;
    std::ranges::sort(sorted);
    if (auto const twice = std::ranges::adjacent_find(sorted); twice != sorted.end())
        fail_usage(fmt::format("{}: motif_names has '{}' twice", folder(), *twice));
    require_rows("data", features_.size());
}

void GetStore::require_rows(std::string const& array, std::size_t columns) const {
    auto const shape = zarr_.shape(array);
    std::vector<std::uint64_t> expected{regions_.size()};
    if (columns > 0) expected.push_back(columns);
    require(shape == expected, fmt::format("{}: '{}' has the shape ({}), ({}) was expected: a row a peak{}",
                                           folder(), array, fmt::join(shape, ", "), fmt::join(expected, ", "),
                                           array == "data" ? " and a column a motif" : ""));
}

void GetStore::choose_cell_types(Settings const& settings) {
    auto const of_accessibility = zarr_.arrays_of("atpm");
    std::set<std::string> known(of_accessibility.begin(), of_accessibility.end());
    for (auto const group : kExpression)
        for (auto& name : zarr_.arrays_of(group)) known.insert(std::move(name));
    std::vector<std::string> const names(known.begin(), known.end());
    for (auto const& name : names)
        require(text::is_utf8(name) && name != "all_regions",
                fmt::format("{}: a cell type can't be called '{}'", folder(), name));
    auto chosen = settings.texts("cell_types");
    if (chosen.empty()) chosen = names;
    arrays_ = {"peak_names", "motif_names", "data"};
    std::set<std::string> taken;
    for (auto const& cell_type : chosen) {
        if (!known.contains(cell_type))
            settings.refuse("cell_types", fmt::format("{} has no cell type '{}'{}", folder(), cell_type,
                                                      text::did_you_mean(cell_type, names)));
        if (!taken.insert(cell_type).second)
            settings.refuse("cell_types", fmt::format("'{}' is named twice", cell_type));
        take(cell_type);
    }
    if (zarr_.contains("gene_idx_info_index"))
        for (auto const* const array : {"gene_idx_info_index", "gene_idx_info_name", "gene_idx_info_strand"})
            arrays_.emplace_back(array);
    for (auto const& array : arrays_)
        if (auto const missing = zarr_.missing_chunks(array); missing > 0)
            log::warning(
                "{}: {} chunks of '{}' are missing and read as what .zarray says fills them; a store may be "
                "so, and a broken copy is",
                folder(), missing, array);
}

/// What the store has of a cell type: accessibility, expression, starts.
void GetStore::take(std::string const& cell_type) {
    if (auto const array = "atpm/" + cell_type; zarr_.contains(array)) {
        require_rows(array, 0);
        arrays_.push_back(array);
        cell_types_.push_back(cell_type);
    } else {
        log::warning("{}: no atpm/{}: expression without accessibility", folder(), cell_type);
    }
    auto const on = [&](std::size_t strand) { return fmt::format("{}/{}", kExpression[strand], cell_type); };
    if (zarr_.contains(on(0)) || zarr_.contains(on(1))) {
        expressed_.push_back(cell_type);
        for (std::size_t strand = 0; strand < 2; ++strand) {
            require_rows(on(strand), 0);
            arrays_.push_back(on(strand));
        }
    }
    if (auto const tss = "tss/" + cell_type; zarr_.contains(tss)) {
        require_rows(tss, 2);
        arrays_.push_back(tss);
    }
}

/// A region is a promoter on the strand of a start of any cell type, and where a gene is listed.
void GetStore::read_promoters() {
    has_promoters_ = std::ranges::any_of(arrays_, [](auto const& array) {
        return array.starts_with("tss/") || array == "gene_idx_info_index";
    });
    if (!has_promoters_) return;
    for (auto& flags : promoters_) flags.resize(regions_.size());
    auto const mark = [&](std::size_t strand, std::uint64_t row) { promoters_[strand][row] = true; };
    for (auto const& array : arrays_) {
        if (!array.starts_with("tss/")) continue;
        auto const starts = zarr_.numbers(array, 0, regions_.size());
        for (std::uint64_t i = 0; i < starts.size(); ++i) {
            require(starts[i] >= 0,
                    fmt::format("{}: '{}' has {}, no number of starts", folder(), array, starts[i]));
            if (starts[i] > 0) mark(i % 2, i / 2);
        }
    }
    if (!zarr_.contains("gene_idx_info_index")) return;
    auto const names = zarr_.strings("gene_idx_info_name");
    auto const strands = zarr_.strings("gene_idx_info_strand");
    auto const where = folder() + "/gene_idx_info_";
    std::vector<std::uint64_t> const shape{names.size()};
    require(zarr_.shape("gene_idx_info_index") == shape && strands.size() == names.size(),
            fmt::format("{}*: index, name and strand differ in length", where));
    auto const rows = zarr_.numbers("gene_idx_info_index", 0, names.size());
    std::vector<std::int64_t> at;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        require(
            rows[i] >= 0 && rows[i] < static_cast<double>(regions_.size()) && rows[i] == std::floor(rows[i]),
            fmt::format("{}index: {} of gene {} is no row of {}", where, rows[i], names[i], regions_.size()));
        require(strands[i] == "+" || strands[i] == "-",
                fmt::format("{}strand: '{}' of gene {} is neither + nor -", where, strands[i], names[i]));
        at.push_back(static_cast<std::int64_t>(rows[i]));
        mark(strands[i] == "+" ? 0 : 1, static_cast<std::uint64_t>(at.back()));
    }
    genes_ = {{"gene_id", names}, {"gene_name", names}, {"row", at}, {"strand", strands}};
}

std::vector<float> GetStore::values(std::string const& array, std::uint64_t first,
                                    std::uint64_t count) const {
    auto found = zarr_.floats(array, first, count);
    auto const columns = found.size() / std::max<std::uint64_t>(1, count);
    for (std::size_t i = 0; i < found.size(); ++i)
        if (!(found[i] >= 0) || std::isinf(found[i]))
            fail_usage(fmt::format("{}: '{}' has {} at {}; values must be finite and not negative", folder(),
                                   array, found[i], chroms_.label(regions_[first + i / columns])));
    return found;
}

}  // namespace mpira::jobs
