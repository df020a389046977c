#include "mpira/report/report.hpp"

#include <algorithm>
#include <ctime>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <variant>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "mpira/atlas/atlas.hpp"
#include "mpira/base/draft_file.hpp"
#include "mpira/base/error.hpp"
#include "mpira/store/anndata_reader.hpp"
#include "mpira/store/text_output.hpp"

#include "report/report_file.hpp"

namespace mpira::report {
namespace {

namespace fs = std::filesystem;

std::string now_text() {
    auto const now = std::time(nullptr);
    std::tm utc{};
    if (::gmtime_r(&now, &utc) == nullptr) return "an unknown day";
    return fmt::format("{:%Y-%m-%d %H:%M} UTC", utc);
}

void refuse_inputs_as_outputs(std::vector<fs::path> const& files, fs::path const& output,
                              fs::path const& tables) {
    for (auto const& written : {output, tables}) refuse_input_as_output(written, files);
    require(
        tables.empty() || output.lexically_normal() != tables.lexically_normal(),
        fmt::format("{}: page and tables have one name; name another folder in --tables", output.string()));
}

/// A complete atlas among the results, by which regions get their names.
std::optional<atlas::Atlas> atlas_among(std::vector<std::unique_ptr<ReportFile>> const& results) {
    for (auto const& result : results) {
        bool const is_atlas = result && (result->status.job == "features" || result->status.job == "import");
        if (is_atlas && result->status.finished) return atlas::Atlas::open(result->file);
    }
    return std::nullopt;
}

std::map<std::string, std::string> motif_names_of(atlas::Atlas const& atlas) {
    store::AnnDataReader const reader(atlas.file());
    std::map<std::string, std::string> names;
    if (!reader.contains("var/motifs")) return names;
    auto const motifs = reader.strings("var/motifs");
    for (std::size_t i = 0; i < std::min(motifs.size(), atlas.feature_names().size()); ++i)
        names[atlas.feature_names()[i]] = motifs[i];
    return names;
}

Section section_of(ReportFile const& file, ReportWish const& wish) {
    auto const& job = file.status.job;
    Section section{
        .title = file.file.filename().string(),
        .subtitle = fmt::format("mpira {}: {} rows, {}", job, file.status.rows, file.file.string())};
    add_campaign(file, section);
    if (file.count() > 0) {
        if (job == "lentimpra")
            add_screen(file, section);
        else if (job == "folds")
            add_folds(file, section);
        else if (job == "jacobian")
            add_jacobian(file, wish, section);
        else if (job == "network")
            add_network(file, wish, section);
        else
            add_columns(file, section);
        if (job == "perturb") add_links(file, wish, section);
    }
    add_throughput(file, section);
    return section;
}

/// The section, or a usage error where the file's parts are not those that its job writes.
Section checked_section(ReportFile const& file, ReportWish const& wish) {
    std::string what;
    try {
        return section_of(file, wish);
    } catch (nlohmann::json::exception const& error) {
        what = error.what();
    } catch (std::bad_variant_access const&) {
        what = "texts where numbers should be, or the other way round";
    } catch (std::out_of_range const& error) {
        what = error.what();
    }
    fail_usage(
        fmt::format("{}: not as mpira {} writes its results ({}); mpira verify tells whether it is whole",
                    file.file.string(), file.status.job, what));
}

}  // namespace

ReportFacts write_report(std::vector<fs::path> const& files, fs::path const& output,
                         ReportChoice const& choice) {
    require(
        !files.empty(),
        "which files? give results of mpira (.h5ad), weights of mpira train, or folders of mpira evaluate");
    refuse_inputs_as_outputs(files, output, choice.tables);
    // Before the work: an output that can't be.
    std::optional<store::TextFolder> folder;
    if (!choice.tables.empty()) folder.emplace(choice.tables, choice.overwrite);
    store::TextOutput out(output, choice.overwrite);

    std::vector<std::optional<Section>> runs;
    std::vector<std::unique_ptr<ReportFile>> results;
    for (auto const& file : files) {
        runs.push_back(evaluation_section(file));
        if (!runs.back()) runs.back() = train_section(file);
        results.push_back(runs.back() ? nullptr : std::make_unique<ReportFile>(file));
    }
    auto const atlas = atlas_among(results);
    ReportWish wish{.gene = choice.gene, .atlas = atlas ? &*atlas : nullptr};
    if (atlas) wish.motif_names = motif_names_of(*atlas);
    Page page{.title = choice.title, .program = choice.program, .made = now_text()};
    bool has_genes = false;
    for (std::size_t i = 0; i < files.size(); ++i) {
        has_genes =
            has_genes ||
            (results[i] && (results[i]->status.job == "jacobian" || results[i]->status.job == "perturb"));
        page.sections.push_back(runs[i] ? std::move(*runs[i]) : checked_section(*results[i], wish));
        results[i].reset();  // what it held
    }
    require(choice.gene.empty() || has_genes, "--gene is of results of jacobian and perturb; none was given");
    if (page.title.empty())
        page.title = files.size() == 1 ? fmt::format("Report on {}", files.front().filename().string())
                                       : fmt::format("Report on {} files", files.size());
    auto const html = html_of(page);
    require(html.size() <= kMostPageBytes,
            fmt::format(
                "the page would have {:.1f} MB, more than browsers open at ease; report fewer files at once",
                static_cast<double>(html.size()) / 1e6));
    auto const tables = tables_of(page);
    if (folder) {
        for (auto const& [name, text] : tables) folder->add(name, text);
        folder->place();
    }
    out.write(html);
    out.place();
    return {page.sections.size(), tables.size(), html.size()};
}

}  // namespace mpira::report
