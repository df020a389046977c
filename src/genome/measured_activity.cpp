#include "mpira/genome/measured_activity.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

#include "genome/lines.hpp"

namespace mpira::genome {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

/// What a column can be, and the names that say so.
struct Role {
    std::string_view name;
    std::vector<std::string_view> known_as;
};
std::vector<Role> const& roles() {
    static std::vector<Role> const all{{"element", {"element", "name"}},
                                       {"chrom", {"chrom", "chr", "#chrom"}},
                                       {"start", {"start"}},
                                       {"end", {"end"}},
                                       {"strand", {"strand"}},
                                       {"replicate", {"replicate", "rep"}},
                                       {"dna", {"dna", "dna_count"}},
                                       {"rna", {"rna", "rna_count"}},
                                       {"barcodes", {"barcodes", "n_bc", "n_obs_bc"}},
                                       {"activity", {"activity", "log2"}},
                                       {"group", {"group"}}};
    return all;
}

/// Where a table's columns are.
class Header {
public:
    Header(Lines const& lines, ActivityRules const& rules) {
        for (auto const name : text::split(lines.line(), '\t')) names_.emplace_back(text::trim(name));
        for (auto const& role : roles()) {
            auto const given = rules.columns.find(std::string(role.name));
            if (given != rules.columns.end()) {
                auto const place = find(given->second, lines);
                if (!place)
                    lines.refuse(fmt::format("no column is named '{}'{}, which --column {} names",
                                             given->second, text::did_you_mean(given->second, names_),
                                             role.name));
                places_.emplace(role.name, *place);
                continue;
            }
            for (auto const name : role.known_as) {
                if (auto const place = find(name, lines)) {
                    places_.emplace(role.name, *place);
                    break;
                }
            }
        }
    }

    [[nodiscard]] std::size_t width() const { return names_.size(); }
    [[nodiscard]] bool has(std::string_view role) const { return places_.contains(role); }
    [[nodiscard]] std::string_view field(std::span<std::string_view const> fields,
                                         std::string_view role) const {
        auto const place = places_.find(role);
        return place == places_.end() ? std::string_view() : text::trim(fields[place->second]);
    }
    [[nodiscard]] std::string const& name_of(std::string_view role) const {
        return names_[places_.find(role)->second];
    }
    [[nodiscard]] std::string all() const { return fmt::format("{}", fmt::join(names_, ", ")); }

private:
    [[nodiscard]] std::optional<std::size_t> find(std::string_view name, Lines const& lines) const {
        auto const found = std::find(names_.begin(), names_.end(), name);
        if (found == names_.end()) return std::nullopt;
        if (std::find(found + 1, names_.end(), name) != names_.end())
            lines.refuse(fmt::format("two columns are named '{}'", name));
        return static_cast<std::size_t>(found - names_.begin());
    }

    std::vector<std::string> names_;
    std::map<std::string_view, std::size_t> places_;
};

/// One line, before depths are known.
struct Measurement {
    std::size_t element = 0;
    std::size_t replicate = 0;
    double dna = 0;
    double rna = 0;
    double activity = kMissing;
    bool counted = true;  ///< has barcodes enough
};

class Reader {
public:
    explicit Reader(ActivityRules const& rules) : rules_(rules) {}

    void read(std::filesystem::path const& file, bool one_of_several);
    MeasuredActivity finish();

private:
    void check_columns(Header const& header, Lines const& lines, bool one_of_several);
    std::size_t element_of(Header const& header, std::span<std::string_view const> fields,
                           Lines const& lines);
    static double count(Header const& header, std::span<std::string_view const> fields, std::string_view role,
                        Lines const& lines);

    ActivityRules const& rules_;
    MeasuredActivity table_;
    std::vector<Measurement> lines_;
    std::unordered_map<std::string, std::size_t> elements_;
    std::unordered_map<std::string, std::size_t> replicates_;
    bool from_counts_ = false;
    bool first_ = true;
};

void Reader::check_columns(Header const& header, Lines const& lines, bool one_of_several) {
    bool const by_name = header.has("element");
    bool const by_place = header.has("chrom") && header.has("start") && header.has("end");
    if (!by_name && !by_place)
        lines.refuse(
            fmt::format("no column says the element (element, or chrom, start and end): the header has {}; "
                        "--column element=NAME says which it is",
                        header.all()));
    bool const counts = header.has("dna") && header.has("rna");
    if (!counts && !header.has("activity"))
        lines.refuse(
            fmt::format("no columns dna and rna, nor activity: the header has {}; --column dna=NAME says "
                        "which it is",
                        header.all()));
    if (one_of_several && header.has("replicate"))
        lines.refuse(
            "has a column of replicates: give one such table, or several without (a replicate each)");
    if (!first_ && (by_name != table_.by_name || counts != from_counts_))
        lines.refuse("has other kinds of columns than the first table");
    table_.by_name = by_name;
    table_.has_groups = table_.has_groups || header.has("group");
    from_counts_ = counts;
    first_ = false;
}

std::size_t Reader::element_of(Header const& header, std::span<std::string_view const> fields,
                               Lines const& lines) {
    MeasuredActivity::Element element;
    element.name = header.field(fields, "element");
    element.group = header.field(fields, "group");
    std::string key = element.name;
    if (!table_.by_name) {
        element.chrom = header.field(fields, "chrom");
        auto const place = [&](std::string_view role) {
            auto const value = text::to_integer(header.field(fields, role));
            if (!value || *value < 0)
                lines.refuse(
                    fmt::format("'{}' in column '{}' is no position", header.field(fields, role), role));
            return *value;
        };
        element.start = place("start");
        element.end = place("end");
        auto const strand = header.field(fields, "strand");
        if (!strand.empty() && strand != "+" && strand != "-" && strand != ".")
            lines.refuse(fmt::format("strand '{}': expected +, - or .", strand));
        if (!strand.empty()) element.strand = strand[0];
        key = fmt::format("{}:{}-{}({})", element.chrom, element.start, element.end, element.strand);
    } else if (key.empty()) {
        lines.refuse("an element without a name");
    }
    auto const [found, is_new] = elements_.emplace(key, table_.elements.size());
    if (is_new) {
        table_.elements.push_back(std::move(element));
    } else if (table_.elements[found->second].group != element.group) {
        lines.refuse(fmt::format("element {} is in group '{}' here, and was in '{}'", key, element.group,
                                 table_.elements[found->second].group));
    }
    return found->second;
}

double Reader::count(Header const& header, std::span<std::string_view const> fields, std::string_view role,
                     Lines const& lines) {
    auto const field = header.field(fields, role);
    auto const value = text::to_number(field);
    if (!value || *value < 0)
        lines.refuse(fmt::format("'{}' in column '{}' is no count", field, header.name_of(role)));
    return *value;
}

void Reader::read(std::filesystem::path const& file, bool one_of_several) {
    Lines lines(file);
    require(lines.next(),
            fmt::format("{} is empty: expected a header with the names of columns", file.string()));
    Header const header(lines, rules_);
    check_columns(header, lines, one_of_several);
    std::vector<bool> seen;
    while (lines.next()) {
        if (text::trim(lines.line()).empty()) continue;
        auto const fields = text::split(lines.line(), '\t');
        if (fields.size() != header.width())
            lines.refuse(fmt::format("{} fields, the header has {}", fields.size(), header.width()));
        Measurement line;
        line.element = element_of(header, fields, lines);
        auto const replicate = header.has("replicate") ? std::string(header.field(fields, "replicate"))
                               : one_of_several        ? file.filename().string()
                                                       : std::string("1");
        if (replicate.empty()) lines.refuse("a replicate without a name");
        auto const [found, is_new] = replicates_.emplace(replicate, table_.replicates.size());
        if (is_new) table_.replicates.push_back(replicate);
        line.replicate = found->second;
        if (from_counts_) {
            line.dna = count(header, fields, "dna", lines);
            line.rna = count(header, fields, "rna", lines);
        } else {
            auto const field = header.field(fields, "activity");
            auto const value = text::to_number(field);
            bool const missing = field.empty() || field == "NA" || field == "nan" || field == "NaN";
            if (!value && !missing)
                lines.refuse(fmt::format("'{}' in column '{}' is no finite number", field,
                                         header.name_of("activity")));
            line.activity = value.value_or(kMissing);
        }
        if (header.has("barcodes") && count(header, fields, "barcodes", lines) < rules_.least_barcodes) {
            line.counted = false;
            ++table_.too_few_barcodes;
        }
        lines_.push_back(line);
    }
}

MeasuredActivity Reader::finish() {
    require(!lines_.empty(), "the tables of measured activities have no line below their headers");
    auto const width = table_.replicates.size();
    std::vector<double> dna(width), rna(width);
    for (auto const& line : lines_) {
        dna[line.replicate] += line.dna;
        rna[line.replicate] += line.rna;
    }
    if (from_counts_) {
        for (std::size_t r = 0; r < width; ++r)
            require(dna[r] > 0 && rna[r] > 0, fmt::format("replicate {} has no reads of {}",
                                                          table_.replicates[r], dna[r] > 0 ? "RNA" : "DNA"));
    }
    table_.values.assign(table_.elements.size() * width, kMissing);
    std::vector<bool> given(table_.values.size());
    for (auto const& line : lines_) {
        auto const place = line.element * width + line.replicate;
        auto const& element = table_.elements[line.element];
        require(!given[place],
                fmt::format(
                    "element {} is there twice in replicate {}; are they replicates of their own? a column "
                    "'replicate' tells them apart",
                    table_.by_name ? element.name
                                   : fmt::format("{}:{}-{}", element.chrom, element.start, element.end),
                    table_.replicates[line.replicate]));
        given[place] = true;
        if (!line.counted) continue;
        auto const depth = std::min(dna[line.replicate], rna[line.replicate]);
        table_.values[place] = from_counts_ ? std::log2((line.rna * (depth / rna[line.replicate]) + 1) /
                                                        (line.dna * (depth / dna[line.replicate]) + 1))
                                            : line.activity;
    }
    table_.formula =
        from_counts_
            ? "log2((RNA + 1) / (DNA + 1)), both libraries of a replicate scaled to the depth of the "
              "smaller one; mean over replicates"
            : "as given; mean over replicates";
    return std::move(table_);
}

}  // namespace

double MeasuredActivity::mean(std::size_t element) const {
    double sum = 0;
    std::size_t count = 0;
    for (double const value : of(element)) {
        if (std::isnan(value)) continue;
        sum += value;
        ++count;
    }
    return count > 0 ? sum / static_cast<double>(count) : kMissing;
}

MeasuredActivity read_activity(std::span<std::filesystem::path const> files, ActivityRules const& rules) {
    for (auto const& [role, name] : rules.columns) {
        std::vector<std::string> known;
        for (auto const& one : roles()) known.emplace_back(one.name);
        require(std::ranges::find(known, role) != known.end(),
                fmt::format("--column {}={}: '{}' is not what a column can be{}: {}", role, name, role,
                            text::did_you_mean(role, known), fmt::join(known, ", ")));
    }
    Reader reader(rules);
    for (auto const& file : files) reader.read(file, files.size() > 1);
    return reader.finish();
}

}  // namespace mpira::genome
