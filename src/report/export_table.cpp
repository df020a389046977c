// Results as tables and tracks: TSV, bedGraph, bigWig.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <set>
#include <span>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"
#include "mpira/genome/bigwig.hpp"
#include "mpira/report/export.hpp"
#include "mpira/store/file_output.hpp"
#include "mpira/store/text_output.hpp"

#include "report/export_source.hpp"

namespace mpira::report {
namespace {

constexpr std::uint64_t kValuesAtOnce = 1 << 17;

/// A matrix of a result, row by row of a list of rows, read in blocks.
class Matrix {
public:
    Matrix(ExportSource const& source, std::string const& path) : source_(source), path_(path) {
        auto const* const array = source.rows().find(path);
        std::vector<std::string> known;
        for (auto const& one : source.rows().layout().row_arrays)
            if (one.path == "X" || one.path.starts_with("layers/")) known.push_back(one.path);
        if (array == nullptr || std::find(known.begin(), known.end(), path) == known.end())
            fail_usage(fmt::format("{}: --values {}: there is no such matrix{}; it has {}",
                                   source.file().string(), path, text::did_you_mean(path, known),
                                   fmt::join(known, ", ")));
        is_single_ = store::is_float(array->type) && array->type != store::Type::f64;
        width_ = source.variables().size();
        rows_a_block_ = std::max<std::uint64_t>(1, kValuesAtOnce / std::max<std::uint64_t>(1, width_));
    }
    [[nodiscard]] bool is_single() const { return is_single_; }
    /// The values of a row. Cheap when rows ascend.
    [[nodiscard]] std::span<double const> row(std::uint64_t row) {
        if (row < first_ || row >= first_ + count_) {
            first_ = row;
            count_ = std::min(rows_a_block_, source_.rows().layout().rows - row);
            source_.rows().read(path_, first_, count_, block_);
        }
        return std::span(block_).subspan((row - first_) * width_, width_);
    }

private:
    ExportSource const& source_;
    std::string path_;
    bool is_single_ = false;
    std::uint64_t width_ = 0;
    std::uint64_t rows_a_block_ = 1;
    std::uint64_t first_ = 0;
    std::uint64_t count_ = 0;
    std::vector<double> block_;
};

struct Interval {
    std::uint64_t row = 0;
    std::int32_t chrom = 0;  ///< in alphabetical order
    std::int64_t start = 0;
    std::int64_t end = 0;
    double value = 0;
};

std::string said(Interval const& interval, std::vector<std::string> const& chroms) {
    return fmt::format("{}:{}-{}", chroms[static_cast<std::size_t>(interval.chrom)], interval.start,
                       interval.end);
}

/// Columns of obs by which two rows differ and that say what kind a row is.
std::string differ_in(ExportSource const& source, std::uint64_t one, std::uint64_t other) {
    std::vector<std::string> names;
    for (auto const& column : source.columns())
        if (std::holds_alternative<store::Categories>(column.values) &&
            column.text(one) != column.text(other))
            names.push_back(fmt::format("--rows {}={}", column.name, column.text(one)));
    return names.empty() ? std::string() : fmt::format(" (choose: {})", fmt::join(names, " or "));
}

/// The rows of a track.
struct Track {
    std::vector<Interval> intervals;  ///< sorted
    std::vector<std::string> chroms;
    bool is_single = false;  ///< values were stored as f32
};

/// The chosen rows with a place and a finite value.
Track read_track(ExportSource const& source, std::string const& column, ExportChoice const& choice) {
    constexpr std::string_view kFor = "which tracks need";
    auto const& chrom = source.at("chrom", kFor);
    bool const plain = source.find("start") != nullptr;
    auto const& start = source.at(plain ? "start" : "region_start", kFor);
    auto const& end = source.at(plain ? "end" : "region_end", kFor);

    auto const& variables = source.variables();
    auto const variable = std::find(variables.begin(), variables.end(), column);
    auto const* const of_obs = source.find(column);
    std::optional<Matrix> matrix;
    std::size_t place = 0;
    if (column.empty()) {
        require(variables.size() == 1, fmt::format("{}: which of the {} variables? --column NAME",
                                                   source.file().string(), variables.size()));
        matrix.emplace(source, choice.values);
    } else if (variable != variables.end()) {
        place = static_cast<std::size_t>(variable - variables.begin());
        matrix.emplace(source, choice.values);
    } else if (of_obs == nullptr || !of_obs->is_number()) {
        auto known = variables;
        for (auto const& one : source.columns())
            if (one.is_number()) known.push_back(one.name);
        fail_usage(fmt::format("{}: --column {}: neither a variable nor a numeric column of obs{}",
                               source.file().string(), column, text::did_you_mean(column, known)));
    }

    std::set<std::string> names;
    for (auto const row : source.chosen()) names.insert(chrom.text(row));
    Track track;
    track.is_single = matrix ? matrix->is_single() : of_obs->is_single;
    auto& chroms = track.chroms;
    chroms.assign(names.begin(), names.end());
    auto& all = track.intervals;
    for (auto const row : source.chosen()) {
        auto const value = matrix ? matrix->row(row)[place] : of_obs->number(row);
        if (!std::isfinite(value)) continue;
        auto const found = std::lower_bound(chroms.begin(), chroms.end(), chrom.text(row));
        all.push_back({row, static_cast<std::int32_t>(found - chroms.begin()),
                       static_cast<std::int64_t>(start.number(row)),
                       static_cast<std::int64_t>(end.number(row)), value});
        // Rows without a place (elements that are no pieces of the genome).
        if (chroms[static_cast<std::size_t>(all.back().chrom)].empty() || all.back().end <= all.back().start)
            all.pop_back();
    }
    require(!all.empty(), fmt::format("{}: no row has a place and a finite value", source.file().string()));
    std::sort(all.begin(), all.end(), [](Interval const& a, Interval const& b) {
        return std::tie(a.chrom, a.start, a.end, a.row) < std::tie(b.chrom, b.start, b.end, b.row);
    });
    return track;
}

/// Cuts overlapping intervals at every start and end; each piece has the mean of those that cover it.
/// `group`: intervals of which each overlaps one before it.
void mean_pieces(std::span<Interval const> group, std::vector<Interval>& out) {
    std::vector<std::int64_t> cuts;
    for (auto const& one : group) {
        cuts.push_back(one.start);
        cuts.push_back(one.end);
    }
    std::sort(cuts.begin(), cuts.end());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    std::size_t first = 0;  // the intervals before it have ended
    for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
        while (first < group.size() && group[first].end <= cuts[i]) ++first;
        double sum = 0;
        std::uint64_t count = 0;
        for (auto at = first; at < group.size() && group[at].start <= cuts[i]; ++at) {
            if (group[at].end <= cuts[i]) continue;
            sum += group[at].value;
            ++count;
        }
        out.push_back(
            {group.front().row, group.front().chrom, cuts[i], cuts[i + 1], sum / static_cast<double>(count)});
    }
}

std::vector<Interval> without_overlaps(ExportSource const& source, Track const& track, Overlaps overlaps) {
    auto const& all = track.intervals;
    auto const& chroms = track.chroms;
    std::vector<Interval> result;
    for (std::size_t first = 0; first < all.size();) {
        auto last = first + 1;
        for (auto end = all[first].end;
             last < all.size() && all[last].chrom == all[first].chrom && all[last].start < end; ++last)
            end = std::max(end, all[last].end);
        if (last - first == 1) {
            result.push_back(all[first]);
        } else if (overlaps == Overlaps::refuse) {
            auto const& other = all[first + 1];
            fail_usage(
                fmt::format("{}: rows '{}' ({}) and '{}' ({}) overlap, but a track has one value a "
                            "base; choose rows by --rows COLUMN=VALUE{}, or pass --overlaps mean",
                            source.file().string(), source.names()[all[first].row], said(all[first], chroms),
                            source.names()[other.row], said(other, chroms),
                            differ_in(source, all[first].row, other.row)));
        } else {
            mean_pieces(std::span(all).subspan(first, last - first), result);
        }
        first = last;
    }
    return result;
}

}  // namespace

std::uint64_t export_table(std::filesystem::path const& result, std::filesystem::path const& output,
                           ExportChoice const& choice) {
    ExportSource const source(result, choice);
    Matrix matrix(source, choice.values);
    store::TextOutput out(output, choice.overwrite);
    std::string line = field(source.reader().index_name("obs"));
    for (auto const& column : source.columns()) line += '\t' + field(column.name);
    for (auto const& name : source.variables()) {
        // A name that obs has too would make two columns of one name.
        line += '\t' + field(source.find(name) != nullptr ? choice.values + "." + name : name);
    }
    out.write(line + '\n');
    for (auto const row : source.chosen()) {
        line = field(source.names()[row]);
        for (auto const& column : source.columns()) line += '\t' + field(column.text(row));
        for (auto const value : matrix.row(row)) line += '\t' + number_text(value, matrix.is_single());
        out.write(line += '\n');
    }
    out.place();
    return source.chosen().size();
}

std::uint64_t export_bedgraph(std::filesystem::path const& result, std::filesystem::path const& output,
                              std::string const& column, Overlaps overlaps, ExportChoice const& choice) {
    ExportSource const source(result, choice);
    auto const track = read_track(source, column, choice);
    auto const pieces = without_overlaps(source, track, overlaps);
    store::TextOutput out(output, choice.overwrite);
    for (auto const& one : pieces)
        out.write(fmt::format("{}\t{}\t{}\t{}\n", track.chroms[static_cast<std::size_t>(one.chrom)],
                              one.start, one.end, number_text(one.value, track.is_single)));
    out.place();
    return pieces.size();
}

std::uint64_t export_bigwig(std::filesystem::path const& result, std::filesystem::path const& output,
                            std::filesystem::path const& chrom_sizes, std::string const& column,
                            Overlaps overlaps, ExportChoice const& choice) {
    ExportSource const source(result, choice);
    auto const track = read_track(source, column, choice);
    // Readers look chromosomes up in a tree: in alphabetical order, as the track's are.
    auto const all = genome::ChromSizes::read(chrom_sizes);
    std::vector<std::string> names(all.names().begin(), all.names().end());
    std::sort(names.begin(), names.end());
    std::vector<std::int64_t> lengths;
    for (auto const& name : names) lengths.push_back(all.length(*all.find(name)));
    genome::ChromSizes const sizes(std::move(names), std::move(lengths));
    std::vector<genome::SignalInterval> intervals;
    for (auto const& one : without_overlaps(source, track, overlaps)) {
        auto const chrom = sizes.find(track.chroms[static_cast<std::size_t>(one.chrom)]);
        if (!chrom || one.end > sizes.length(*chrom))
            fail_usage(fmt::format("{}: {} is not within a chromosome of {}; are they of one assembly?",
                                   source.file().string(), said(one, track.chroms), chrom_sizes.string()));
        intervals.push_back({*chrom, one.start, one.end, static_cast<float>(one.value)});
    }
    store::FileOutput out(output, choice.overwrite);
    genome::write_bigwig(out.path(), sizes, intervals);
    out.place();
    return intervals.size();
}

}  // namespace mpira::report
