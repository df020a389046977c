// A perturb result as the table of enhancers and genes that people know: a line a gene, start and region.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/report/export.hpp"
#include "mpira/store/text_output.hpp"

#include "report/export_source.hpp"

namespace mpira::report {
namespace {

/// Matrices of obsm, of which all have the same entries; those whose contact is 0 only fill rows up.
constexpr std::array kScores{"knock_out", "gradient_x_input", "powerlaw", "gradient_x_input_powerlaw"};
constexpr std::size_t kContact = 2;
constexpr std::uint64_t kValuesAtOnce = 1 << 17;
/// What a line says of its row; where rows are regions there are no genes.
constexpr std::array kOfRow{"cell_type", "gene_id", "gene_name", "strand", "output", "position", "predicted"};

}  // namespace

std::uint64_t export_enhancers(std::filesystem::path const& result, std::filesystem::path const& output,
                               ExportChoice const& choice) {
    ExportSource const source(result, choice);
    require(source.rows().layout().job == "perturb",
            fmt::format("{} is a result of mpira {}; the format enhancers is of mpira perturb",
                        result.string(), source.rows().layout().job));
    auto const& reader = source.reader();
    auto const& rows = source.rows();
    auto const entries = rows.find("obsm/knock_out/indices")->row_shape.at(0);
    auto const rows_a_block = std::max<std::uint64_t>(1, kValuesAtOnce / entries);
    auto const chrom_names = reader.strings("uns/chrom_names");
    auto const chrom = reader.array<std::int32_t>("uns/region_chrom");
    auto const start = reader.array<std::int64_t>("uns/region_start");
    auto const end = reader.array<std::int64_t>("uns/region_end");
    std::vector<ObsColumn const*> columns;
    for (auto const* const name : kOfRow)
        if (auto const* const column = source.find(name)) columns.push_back(column);

    store::TextOutput out(output, choice.overwrite);
    std::string line = reader.index_name("obs");
    for (auto const* const column : columns) line += '\t' + column->name;
    line += "\tchrom\tregion_start\tregion_end\tdistance_bp";
    for (auto const* const name : kScores) line += fmt::format("\t{}", name);
    out.write(line + '\n');

    std::uint64_t lines = 0;
    std::vector<double> regions, distances_bp;
    std::array<std::vector<double>, kScores.size()> scores;
    std::uint64_t first = 0, count = 0;  // rows that were read, a block at a time
    for (auto const row : source.chosen()) {
        if (row >= first + count) {
            first = row;
            count = std::min(rows_a_block, rows.layout().rows - row);
            rows.read("obsm/knock_out/indices", first, count, regions);
            rows.read("obsm/distance_bp/data", first, count, distances_bp);
            for (std::size_t s = 0; s < kScores.size(); ++s)
                rows.read(fmt::format("obsm/{}/data", kScores[s]), first, count, scores[s]);
        }
        std::string of_row = field(source.names()[row]);
        for (auto const* const column : columns) of_row += '\t' + field(column->text(row));
        auto const begin = (row - first) * entries;
        for (auto i = begin; i < begin + entries; ++i) {
            if (!(scores[kContact][i] > 0)) continue;
            auto const region = static_cast<std::size_t>(regions[i]);
            line = fmt::format("{}\t{}\t{}\t{}\t{:.0f}", of_row,
                               field(chrom_names.at(static_cast<std::size_t>(chrom.values()[region]))),
                               start.values()[region], end.values()[region], distances_bp[i]);
            for (auto const& of_score : scores) line += '\t' + number_text(of_score[i], true);
            out.write(line += '\n');
            ++lines;
        }
    }
    out.place();
    return lines;
}

}  // namespace mpira::report
