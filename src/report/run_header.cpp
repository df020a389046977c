#include "mpira/report/run_header.hpp"

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/text.hpp"

namespace mpira::report {

std::string count_equal(std::vector<std::string> const& names) {
    std::vector<std::pair<std::string, int>> counts;
    for (auto const& name : names) {
        auto const known =
            std::find_if(counts.begin(), counts.end(), [&](auto const& one) { return one.first == name; });
        if (known == counts.end())
            counts.emplace_back(name, 1);
        else
            ++known->second;
    }
    std::vector<std::string> parts;
    for (auto const& [name, count] : counts) parts.push_back(fmt::format("{} x {}", count, name));
    return fmt::format("{}", fmt::join(parts, ", "));
}

std::uint64_t result_bytes(store::ResultLayout const& layout) {
    std::uint64_t bytes = 0;
    for (auto const& array : layout.row_arrays) bytes += layout.rows * array.bytes_per_row();
    for (auto const& array : layout.fixed_arrays)
        bytes += std::accumulate(array.shape.begin(), array.shape.end(), store::size_of(array.type),
                                 std::multiplies<>());
    return bytes;
}

std::vector<std::string> run_header(RunFacts const& facts) {
    auto const hosts = std::set(facts.hosts.begin(), facts.hosts.end()).size();
    return {
        fmt::format("{}, job {}: {}", facts.program, facts.job, facts.description),
        fmt::format("{} on {} ({}), {} a model call", text::counted(facts.hosts.size(), "rank"),
                    text::counted(hosts, "host"), count_equal(facts.devices),
                    text::counted(facts.threads, "thread")),
        fmt::format("{} in {}, {} into {}", text::counted(facts.rows, "row"),
                    text::counted(facts.units, "unit"), text::bytes(facts.bytes), facts.output.string()),
    };
}

std::string resume_line(std::uint64_t units_before, std::uint64_t units) {
    return fmt::format("resuming: {} of {} are in the file already", units_before,
                       text::counted(units, "unit"));
}

std::vector<std::string> run_footer(schedule::CampaignOutcome const& outcome,
                                    std::filesystem::path const& output) {
    if (outcome.finished)
        return {fmt::format("done: {} in {} ({} by earlier runs)", text::counted(outcome.units, "unit"),
                            text::duration(outcome.seconds), outcome.done_before),
                fmt::format("result: {}", output.string()),
                fmt::format("open it: python -c 'import anndata; print(anndata.read_h5ad(\"{}\"))'",
                            output.string())};
    std::vector<std::string> lines{fmt::format(
        "{} after {}: {} of {} done, {} left{}", outcome.stopped ? "stopped" : "not finished",
        text::duration(outcome.seconds), outcome.done, text::counted(outcome.units, "unit"), outcome.left(),
        outcome.set_aside > 0 ? fmt::format(", {} set aside after failing", outcome.set_aside) : "")};
    if (outcome.set_aside > 0)
        lines.push_back(fmt::format("mpira status {} shows the errors", output.string()));
    lines.emplace_back("the same command, on any number of ranks, goes on from here");
    return lines;
}

}  // namespace mpira::report
