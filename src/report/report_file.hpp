#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "mpira/store/inspect.hpp"

#include "report/export_source.hpp"
#include "report/report_page.hpp"

namespace mpira::atlas {
class Atlas;
}

namespace mpira::report {

/// A result file that is reported. Refuses (usage) what is no result of mpira.
struct ReportFile {
    explicit ReportFile(std::filesystem::path const& path);

    std::filesystem::path file;
    store::Status status;
    nlohmann::json uns;                ///< as AnnDataReader::json gives it
    std::optional<ExportSource> rows;  ///< its done rows; nothing while there are none

    [[nodiscard]] bool has(std::string_view path) const { return rows && rows->rows().find(path) != nullptr; }
    /// Row r of what follows is row rows->chosen()[r] of the file.
    [[nodiscard]] std::uint64_t count() const { return rows ? rows->chosen().size() : 0; }
    [[nodiscard]] std::string const& name(std::uint64_t row) const {
        return rows->names()[rows->chosen()[row]];
    }
    /// Columns of a row array (rows, width) of the done rows, a list each.
    [[nodiscard]] std::vector<std::vector<double>> columns(std::string_view path,
                                                           std::vector<std::uint64_t> const& wanted) const;
    /// The text of uns/a/b, or "".
    [[nodiscard]] std::string text(std::vector<std::string> const& keys) const;
    [[nodiscard]] std::vector<std::string> texts(char const* key) const;  ///< of a list in uns
};

/// What the user asked for besides.
struct ReportWish {
    std::string gene;                     ///< empty: one is chosen
    atlas::Atlas const* atlas = nullptr;  ///< names regions of results that were computed from it
    std::map<std::string, std::string> motif_names{};  ///< of features, as that atlas has them

    /// "MA0529.3 BEAF-32" where a feature's name is known.
    [[nodiscard]] std::vector<std::string> labels(std::vector<std::string> const& features) const;
};

/// The parts of a section, each appended to `section`: those that a file of that job has.
void add_campaign(ReportFile const& file, Section& section);
void add_throughput(ReportFile const& file, Section& section);
void add_columns(ReportFile const& file, Section& section);  ///< of any job: figures of each column
void add_screen(ReportFile const& file, Section& section);
void add_strata(ReportFile const& file, std::string const& quantity, std::vector<double> const& scores,
                std::string const& score_name, Section& section);
void add_folds(ReportFile const& file, Section& section);
void add_jacobian(ReportFile const& file, ReportWish const& wish, Section& section);
void add_links(ReportFile const& file, ReportWish const& wish, Section& section);
void add_network(ReportFile const& file, ReportWish const& wish, Section& section);

/// Predictions beside targets: a point each, or two histograms where targets are 0 and 1.
Figure held_out_figure(std::vector<double> const& predicted, std::vector<double> const& target,
                       std::string caption);

/// Of a run of mpira train, by its weights or its metrics; nothing when the file is neither.
std::optional<Section> train_section(std::filesystem::path const& file);

/// Of a folder that mpira evaluate wrote; nothing when it is no folder, and a usage error for another one.
std::optional<Section> evaluation_section(std::filesystem::path const& folder);

}  // namespace mpira::report
