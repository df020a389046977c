#include "report/report_file.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "mpira/base/error.hpp"

namespace mpira::report {
namespace {

constexpr std::uint64_t kValuesAtOnce = 1 << 20;

}  // namespace

ReportFile::ReportFile(std::filesystem::path const& path)
    : file(path), status(store::status(path)), uns(store::AnnDataReader(path).json()) {
    if (status.rows_done > 0) rows.emplace(path, ExportChoice{.rows = {}, .values = "X", .partial = true});
}

std::vector<std::vector<double>> ReportFile::columns(std::string_view path,
                                                     std::vector<std::uint64_t> const& wanted) const {
    std::vector<std::vector<double>> lists(wanted.size());
    auto const* const array = rows->rows().find(path);
    require(array != nullptr, fmt::format("{}: {} is missing", file.string(), path));
    std::uint64_t width = 1;
    for (auto const extent : array->row_shape) width *= extent;
    require(std::ranges::all_of(wanted, [width](auto column) { return column < width; }),
            fmt::format("{}: {} has {} values a row, which are too few", file.string(), path, width));
    for (auto& list : lists) list.reserve(count());
    auto const& chosen = rows->chosen();
    auto const at_once = std::max<std::uint64_t>(1, kValuesAtOnce / std::max<std::uint64_t>(width, 1));
    std::vector<double> values;
    for (std::size_t i = 0; i < chosen.size();) {
        auto const first = chosen[i];
        auto const all = std::min(at_once, rows->rows().layout().rows - first);
        rows->rows().read(path, first, all, values);
        for (; i < chosen.size() && chosen[i] < first + all; ++i)
            for (std::size_t c = 0; c < wanted.size(); ++c)
                lists[c].push_back(values[(chosen[i] - first) * width + wanted[c]]);
    }
    return lists;
}

std::string ReportFile::text(std::vector<std::string> const& keys) const {
    auto const* at = &uns;
    for (auto const& key : keys) {
        auto const found = at->is_object() ? at->find(key) : at->end();
        if (found == at->end()) return {};
        at = &*found;
    }
    return at->is_string() ? at->get<std::string>() : std::string();
}

std::vector<std::string> ReportFile::texts(char const* key) const {
    std::vector<std::string> list;
    auto const found = uns.find(key);
    if (found == uns.end() || !found->is_array()) return list;
    for (auto const& one : *found)
        if (one.is_string()) list.push_back(one.get<std::string>());
    return list;
}

std::vector<std::string> ReportWish::labels(std::vector<std::string> const& features) const {
    std::vector<std::string> labels;
    for (auto const& feature : features) {
        auto const found = motif_names.find(feature);
        bool const says_more =
            found != motif_names.end() && !found->second.empty() && found->second != feature;
        labels.push_back(says_more ? fmt::format("{} {}", feature, found->second) : feature);
    }
    return labels;
}

}  // namespace mpira::report
