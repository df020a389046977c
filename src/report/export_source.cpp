#include "report/export_source.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

namespace mpira::report {
namespace {

template <typename... Ts>
struct Overloaded : Ts... {
    using Ts::operator()...;
};
template <typename... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

ObsColumn read_column(store::AnnDataReader const& reader, std::string const& name) {
    auto const path = fmt::format("obs/{}", name);
    auto const kind = reader.encoding(path);
    if (kind == "categorical") return {name, reader.categories(path), false};
    if (kind == "string-array" || kind == "nullable-string-array") return {name, reader.strings(path), false};
    auto const type = reader.info(path).type;
    if (type == store::Type::f64) return {name, reader.numbers(path), false};
    if (type == store::Type::f32 || type == store::Type::f16) return {name, reader.numbers(path), true};
    return {name, reader.integers(path), false};
}

}  // namespace

std::string number_text(double value, bool is_single) {
    if (!std::isfinite(value)) return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
    return is_single ? fmt::format("{}", static_cast<float>(value)) : fmt::format("{}", value);
}

std::string field(std::string const& text) {
    if (text.find_first_of("\t\n\r\"") == std::string::npos) return text;
    std::string quoted = "\"";
    for (char const letter : text) quoted += letter == '"' ? std::string("\"\"") : std::string(1, letter);
    return quoted + '"';
}

double ObsColumn::number(std::uint64_t row) const {
    if (auto const* const integers = std::get_if<std::vector<std::int64_t>>(&values))
        return static_cast<double>((*integers)[row]);
    return std::get<std::vector<double>>(values)[row];
}

std::string ObsColumn::text(std::uint64_t row) const {
    return std::visit(
        Overloaded{[row](store::Categories const& all) {
                       auto const code = all.codes[row];
                       return code < 0 ? std::string() : all.categories[static_cast<std::size_t>(code)];
                   },
                   [row](std::vector<std::string> const& all) { return all[row]; },
                   [row](std::vector<std::int64_t> const& all) { return std::to_string(all[row]); },
                   [this, row](std::vector<double> const& all) { return number_text(all[row], is_single); }},
        values);
}

ExportSource::ExportSource(std::filesystem::path const& file, ExportChoice const& choice)
    : reader_(file), rows_(file), names_(reader_.index("obs")), variables_(reader_.index("var")) {
    for (auto const& name : reader_.columns("obs")) columns_.push_back(read_column(reader_, name));
    choose(choice);
}

ObsColumn const* ExportSource::find(std::string_view column) const {
    auto const found =
        std::find_if(columns_.begin(), columns_.end(), [&](auto const& one) { return one.name == column; });
    return found == columns_.end() ? nullptr : &*found;
}

ObsColumn const& ExportSource::at(std::string_view column, std::string_view what_for) const {
    if (auto const* const found = find(column)) return *found;
    std::vector<std::string> known;
    for (auto const& one : columns_) known.push_back(one.name);
    fail_usage(fmt::format("{}: obs has no column '{}'{}, {}; it has {}", file().string(), column,
                           text::did_you_mean(column, known), what_for, fmt::join(known, ", ")));
}

std::vector<std::vector<double>> ExportSource::read_columns(std::string_view path,
                                                            std::vector<std::uint64_t> const& wanted,
                                                            std::vector<std::uint64_t> const& rows) const {
    constexpr std::uint64_t kValuesAtOnce = 1 << 20;
    std::vector<std::vector<double>> lists(wanted.size());
    auto const* const array = rows_.find(path);
    require(array != nullptr, fmt::format("{}: {} is missing", file().string(), path));
    std::uint64_t width = 1;
    for (auto const extent : array->row_shape) width *= extent;
    require(std::ranges::all_of(wanted, [width](auto column) { return column < width; }),
            fmt::format("{}: {} has {} values a row, which are too few", file().string(), path, width));
    for (auto& list : lists) list.reserve(rows.size());
    auto const at_once = std::max<std::uint64_t>(1, kValuesAtOnce / std::max<std::uint64_t>(width, 1));
    std::vector<double> values;
    for (std::size_t i = 0; i < rows.size();) {
        auto const first = rows[i];
        auto const all = std::min(at_once, rows_.layout().rows - first);
        rows_.read(path, first, all, values);
        for (; i < rows.size() && rows[i] < first + all; ++i)
            for (std::size_t c = 0; c < wanted.size(); ++c)
                lists[c].push_back(values[(rows[i] - first) * width + wanted[c]]);
    }
    return lists;
}

void ExportSource::choose(ExportChoice const& choice) {
    std::vector<bool> wanted(names_.size(), true);
    for (auto const& [name, value] : choice.rows) {
        auto const& column = at(name, "which --rows names");
        bool any = false;
        for (std::uint64_t row = 0; row < wanted.size(); ++row) {
            bool const is_it = column.text(row) == value;
            any = any || is_it;
            if (!is_it) wanted[row] = false;
        }
        if (any) continue;
        std::vector<std::string> known;
        if (auto const* const categories = std::get_if<store::Categories>(&column.values))
            known = categories->categories;
        fail_usage(fmt::format("{}: --rows {}={}: no row has that{}", file().string(), name, value,
                               text::did_you_mean(value, known)));
    }
    auto const done = rows_.done();
    std::uint64_t missing = 0;
    for (std::uint64_t row = 0; row < wanted.size(); ++row) {
        if (!wanted[row]) continue;
        if (!done[row]) ++missing;
        if (done[row]) chosen_.push_back(row);
    }
    require(
        missing == 0 || choice.partial,
        fmt::format("{}: {} of the rows asked for are not computed yet; run the campaign's command again, "
                    "or pass --partial for those that are",
                    file().string(), missing));
    bool const all_done = std::ranges::find(done, false) == done.end();
    require(
        !all_done || rows_.finished() || choice.partial,
        fmt::format("{}: every row is computed, but the campaign has not finished (mpira status); run its "
                    "command again, or pass --partial for the rows",
                    file().string()));
    require(!chosen_.empty(), fmt::format("{}: no row is left to export", file().string()));
}

}  // namespace mpira::report
