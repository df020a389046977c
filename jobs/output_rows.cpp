#include "jobs/output_rows.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

namespace mpira::jobs {

std::vector<std::uint8_t> rows_of_output(store::AnnDataReader const& reader, std::string const& output,
                                         std::string_view remedy) {
    auto const file = reader.file().string();
    bool const own = output == "own";
    if (!reader.contains("obs/output")) {
        require(own, fmt::format("{}: obs/output is missing, there is no '{}' to choose", file, output));
        return std::vector<std::uint8_t>(reader.strings("obs/cell_type").size(), 1);
    }
    auto const outputs = reader.strings("obs/output");
    auto names = outputs;
    std::ranges::sort(names);
    names.erase(std::ranges::unique(names).begin(), names.end());
    std::vector<std::uint8_t> chosen(outputs.size(), 1);
    if (!own) {
        std::ranges::transform(outputs, chosen.begin(),
                               [&](auto const& one) { return static_cast<std::uint8_t>(one == output); });
        require(std::ranges::find(names, output) != names.end(),
                fmt::format("{}: no row is of output '{}'{}; it has {}", file, output,
                            text::did_you_mean(output, names), fmt::join(names, ", ")));
        return chosen;
    }
    if (reader.contains("obs/own_output")) {
        auto const is_own = reader.integers("obs/own_output");
        require(is_own.size() == outputs.size(),
                fmt::format("{}: obs/own_output and obs/output differ in length", file));
        std::ranges::transform(is_own, chosen.begin(), [](auto one) { return one != 0 ? 1 : 0; });
        require(std::ranges::find(chosen, 1) != chosen.end(),
                fmt::format("{}: no row is of the output of its gene's strand", file));
        return chosen;
    }
    bool several = names.size() > 1;
    if (several && reader.contains("obs/gene_id")) {
        // A gene's own strand decides, and each region of it is read once.
        auto const genes = reader.strings("obs/gene_id"), cell_types = reader.strings("obs/cell_type");
        auto const regions = reader.integers("obs/atlas_row");
        auto const strands = reader.strings("obs/strand");
        std::map<std::string, std::size_t> first;
        several = false;
        for (std::size_t row = 0; row < outputs.size(); ++row) {
            auto const key = fmt::format("{}\n{}\n{}\n{}", genes.at(row), cell_types.at(row), regions.at(row),
                                         strands.at(row));
            several = several || outputs[first.try_emplace(key, row).first->second] != outputs[row];
        }
    }
    require(!several, fmt::format("{}: a row for each of several outputs ({}), and no obs/own_output tells "
                                  "which to take; {}",
                                  file, fmt::join(names, ", "), remedy));
    return chosen;
}

}  // namespace mpira::jobs
