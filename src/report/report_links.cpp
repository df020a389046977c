// Which regions around a gene matter to it: scores of jacobian, knock-outs of perturb.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include <fmt/format.h>

#include "mpira/atlas/atlas.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

#include "report/report_file.hpp"
#include "report/report_statistics.hpp"

namespace mpira::report {
namespace {

struct Score {
    std::string path;  ///< in obsm
    std::string name;
};

/// What the file has of regions: the first is what they are ranked by.
std::vector<Score> scores_of(ReportFile const& file) {
    std::vector<Score> scores;
    for (auto const& [path, name] :
         {std::pair("obsm/knock_out", "knock-out effect"), std::pair("obsm/region_score", "region score"),
          std::pair("obsm/region_sum", "sum of contributions"),
          std::pair("obsm/region_mean_abs", "mean magnitude"),
          std::pair("obsm/gradient_x_input", "gradient x input"), std::pair("obsm/powerlaw", "power law")})
        if (file.has(fmt::format("{}/data", path))) scores.push_back({path, name});
    return scores;
}

/// Where the columns of sparse matrices, rows of the atlas, lie.
class Places {
public:
    struct Place {
        std::string chrom;
        std::int64_t start = 0, end = 0;
    };

    Places(ReportFile const& file, atlas::Atlas const* atlas) {
        auto const& reader = file.rows->reader();
        if (reader.contains("uns/region_start") && reader.contains("uns/chrom_names")) {
            names_ = reader.strings("uns/chrom_names");
            chrom_ = reader.integers("uns/region_chrom");
            start_ = reader.integers("uns/region_start");
            end_ = reader.integers("uns/region_end");
            require(
                chrom_.size() == start_.size() && end_.size() == start_.size(),
                fmt::format("{}: uns/region_chrom, _start and _end differ in length", file.file.string()));
            return;
        }
        if (atlas != nullptr && atlas->content_hash() == file.text({"atlas", "content_hash"})) {
            auto const regions = atlas->regions();
            names_.assign(regions.chrom_names.begin(), regions.chrom_names.end());
            chrom_.assign(regions.chrom.begin(), regions.chrom.end());
            start_.assign(regions.start.begin(), regions.start.end());
            end_.assign(regions.end.begin(), regions.end.end());
        }
    }

    [[nodiscard]] bool known() const { return !start_.empty(); }
    [[nodiscard]] Place at(std::uint64_t row) const {
        require(
            row < start_.size() && chrom_[row] >= 0 && static_cast<std::size_t>(chrom_[row]) < names_.size(),
            "a region's number is beyond the atlas: is the file whole? mpira verify tells");
        return {names_[static_cast<std::size_t>(chrom_[row])], start_[row], end_[row]};
    }

private:
    std::vector<std::string> names_;
    std::vector<std::int64_t> chrom_, start_, end_;
};

/// The row of the wished gene, of several the one with the highest prediction; without a wish, of all.
std::uint64_t row_of(ReportFile const& file, std::string const& gene) {
    auto const& rows = *file.rows;
    auto const predicted = file.has("obs/predicted") ? file.columns("obs/predicted", {0}).front()
                                                     : std::vector<double>(file.count(), 0);
    auto const* const name = rows.find("gene_name");
    auto const* const id = rows.find("gene_id");
    auto const* const own = rows.find("own_output");
    std::optional<std::uint64_t> best;
    std::vector<std::string> known;
    for (std::uint64_t i = 0; i < file.count(); ++i) {
        auto const row = rows.chosen()[i];
        if (!gene.empty()) {
            bool const is_it = (name != nullptr && name->text(row) == gene) ||
                               (id != nullptr && id->text(row) == gene) || rows.names()[row] == gene;
            if (!is_it) {
                known.push_back(name != nullptr ? name->text(row) : rows.names()[row]);
                continue;
            }
        }
        if (own != nullptr && own->number(row) == 0) continue;
        if (!best || predicted[i] > predicted[*best]) best = i;
    }
    if (!best) {
        require(!gene.empty(), fmt::format("{}: no row has an output of its own", file.file.string()));
        fail_usage(fmt::format("{}: --gene {}: no done row is of that gene{}", file.file.string(), gene,
                               text::did_you_mean(gene, known)));
    }
    return rows.chosen()[*best];
}

std::string of_row(ReportFile const& file, std::uint64_t row) {
    auto const& rows = *file.rows;
    auto const* const name = rows.find("gene_name");
    if (name == nullptr) return rows.names()[row];
    auto text = name->text(row);
    if (text.empty()) text = rows.find("gene_id")->text(row);
    if (auto const* const type = rows.find("cell_type")) text += fmt::format(" in {}", type->text(row));
    return text;
}

/// A row's entries of a sparse matrix, explicit zeros left out.
std::map<std::uint64_t, double> entries_of(ReportFile const& file, std::string const& path,
                                           std::uint64_t row) {
    std::vector<double> regions, values;
    file.rows->rows().read(path + "/indices", row, 1, regions);
    file.rows->rows().read(path + "/data", row, 1, values);
    require(regions.size() == values.size(),
            fmt::format("{}: {}/indices and data differ in length", file.file.string(), path));
    std::map<std::uint64_t, double> entries;
    for (std::size_t i = 0; i < regions.size(); ++i)
        if (values[i] != 0 && regions[i] >= 0) entries[static_cast<std::uint64_t>(regions[i])] = values[i];
    return entries;
}

}  // namespace

void add_links(ReportFile const& file, ReportWish const& wish, Section& section) {
    auto const scores = scores_of(file);
    if (scores.empty()) return;
    auto const row = row_of(file, wish.gene);
    auto const gene = of_row(file, row);
    bool const has_genes = file.rows->find("gene_name") != nullptr;
    Places const places(file, wish.atlas);
    std::vector<std::map<std::uint64_t, double>> entries;
    for (auto const& score : scores) entries.push_back(entries_of(file, score.path, row));
    std::vector<std::pair<std::uint64_t, double>> links(entries.front().begin(), entries.front().end());
    std::ranges::stable_sort(links, std::ranges::greater{},
                             [](auto const& link) { return std::abs(link.second); });
    if (links.empty()) return;

    auto const* const position = file.rows->find("position");
    auto const* const own = file.rows->find("atlas_row");
    auto const start = position != nullptr ? position->number(row) : 0;
    auto const own_row = own != nullptr ? own->number(row) : 0;
    auto const* const strand = file.rows->find("strand");
    double const downstream = strand != nullptr && strand->text(row) == "-" ? -1 : 1;
    auto const distance = [&](std::uint64_t region) {
        if (!places.known()) return downstream * (static_cast<double>(region) - own_row);
        auto const at = places.at(region);
        auto const centre = (at.start + at.end) / 2;
        return downstream * (static_cast<double>(centre) - start);
    };

    Table table{.name = "links",
                .title = fmt::format("Regions linked to {}", gene),
                .caption = fmt::format("By the magnitude of their {}{}.", scores.front().name,
                                       strand != nullptr ? "; distances are positive downstream" : ""),
                .columns = {"rank", "region", places.known() ? "distance_bp" : "regions_away"}};
    for (auto const& score : scores) table.columns.push_back(score.name);
    Figure figure{.title = fmt::format("Regions around {}", gene),
                  .x = {.title = !places.known() ? "regions away from its own"
                                 : has_genes     ? "downstream of the start of transcription (kb)"
                                                 : "distance to the region's own centre (kb)"},
                  .y = {.title = scores.front().name},
                  .height = 280};
    Series stems{.colour = kGrey, .size = 1.5}, points{.mark = Mark::points, .size = 7};
    constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
    constexpr double kBasesPerUnit = 1000;
    constexpr std::size_t kMostPoints = 400;
    for (std::size_t i = 0; i < links.size(); ++i) {
        auto const [region, score] = links[i];
        std::string name = fmt::format("atlas row {}", region);
        if (places.known()) {
            auto const at = places.at(region);
            name = fmt::format("{}:{}-{}", at.chrom, at.start, at.end);
        }
        std::vector<Cell> line{static_cast<std::int64_t>(i + 1), name,
                               static_cast<std::int64_t>(std::llround(distance(region)))};
        for (auto const& of_score : entries) {
            auto const found = of_score.find(region);
            line.emplace_back(found == of_score.end() ? 0.0 : found->second);
        }
        table.rows.push_back(std::move(line));
        if (i >= kMostPoints) continue;
        auto const x = distance(region) / (places.known() ? kBasesPerUnit : 1);
        points.x.push_back(x);
        points.y.push_back(score);
        points.labels.push_back(name);
        stems.x.insert(stems.x.end(), {x, x, kNone});
        stems.y.insert(stems.y.end(), {0, score, kNone});
    }
    figure.series = {stems, points};
    figure.caption = wish.gene.empty()
                         ? "The gene with the highest prediction; --gene NAME shows another one."
                         : "Of its rows, the one with the highest prediction.";
    if (!places.known())
        figure.caption += " Name the atlas, too, to have coordinates: the file itself knows rows of it only.";
    if (links.size() > points.x.size())
        figure.caption += fmt::format(" The {} largest of {} regions.", points.x.size(), links.size());
    section.blocks.emplace_back(Heading{has_genes ? "Enhancer-gene links" : "Links between regions"});
    section.blocks.emplace_back(std::move(figure));
    section.blocks.emplace_back(std::move(table));
}

}  // namespace mpira::report
