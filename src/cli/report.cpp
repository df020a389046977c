// report: results as a page that people show to each other.
#include "mpira/report/report.hpp"

#include <cstdio>

#include <fmt/format.h>

#include "mpira/base/text.hpp"
#include "mpira/cli/commands.hpp"

#include "cli/version.hpp"

namespace mpira::cli {

int write_report(CommandLine const& line) {
    auto const& options = line.report;
    auto const facts = report::write_report(options.files, line.output,
                                            {.title = options.title,
                                             .gene = options.gene,
                                             .tables = options.tables,
                                             .program = program_name(),
                                             .overwrite = line.overwrite});
    fmt::print("{}: {}, {:.1f} MB\n", line.output.string(), text::counted(facts.sections, "file"),
               static_cast<double>(facts.bytes) / 1e6);
    if (!options.tables.empty()) fmt::print("{}: {} tables\n", options.tables.string(), facts.tables);
    return 0;
}

}  // namespace mpira::cli
