#include "report/report_file.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "mpira/base/error.hpp"

namespace mpira::report {

ReportFile::ReportFile(std::filesystem::path const& path)
    : file(path), status(store::status(path)), uns(store::AnnDataReader(path).json()) {
    if (status.rows_done > 0) rows.emplace(path, ExportChoice{.rows = {}, .values = "X", .partial = true});
}

std::vector<std::vector<double>> ReportFile::columns(std::string_view path,
                                                     std::vector<std::uint64_t> const& wanted) const {
    return rows->read_columns(path, wanted, rows->chosen());
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
