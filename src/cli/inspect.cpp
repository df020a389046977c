// status, verify, seal: result files looked at from outside.
#include "mpira/store/inspect.hpp"

#include <cstdio>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/cli/commands.hpp"
#include "mpira/report/status_text.hpp"

namespace mpira::cli {
namespace {

/// A log line each tenth of the way.
store::Progress tenths(std::string_view doing) {
    return [doing, told = std::uint64_t{0}](std::uint64_t done, std::uint64_t all) mutable {
        auto const tenth = all == 0 ? 10 : 10 * done / all;
        if (tenth == told) return;
        told = tenth;
        log::info("{} {} of {} units", doing, done, all);
    };
}

std::string first_units(std::vector<std::uint64_t> const& units) {
    constexpr std::size_t kShown = 20;
    std::vector<std::uint64_t> const shown(
        units.begin(), units.begin() + static_cast<std::ptrdiff_t>(std::min(units.size(), kShown)));
    return fmt::format("{}{}", fmt::join(shown, ", "), units.size() > kShown ? ", ..." : "");
}

}  // namespace

int show_status(CommandLine const& line) {
    auto const status = store::status(line.file);
    if (line.json)
        fmt::print("{}\n", report::status_json(status).dump(1));
    else
        fmt::print("{}", report::status_text(status, line.file));
    return 0;
}

int verify(CommandLine const& line) {
    auto const verdict = store::verify(line.file, tenths("checked"));
    fmt::print("{}: {} finished units read and compared\n", line.file.string(), verdict.checked);
    auto const tell = [](std::vector<std::uint64_t> const& units, std::string_view what) {
        if (!units.empty()) fmt::print("{} units {}: {}\n", units.size(), what, first_units(units));
    };
    tell(verdict.bad, "differ from their checksum");
    tell(verdict.torn, "have a damaged journal row");
    tell(verdict.unmarked, "lack the mark obs/done on some rows");
    if (verdict.good()) {
        fmt::print("every checksum of rows and journal holds (names and settings have none)\n");
        return 0;
    }
    fmt::print(
        "run the campaign's command again with --set resume.check=all: these units are computed anew\n");
    return 3;
}

int seal(CommandLine const& line) {
    auto out = line.output;
    if (out.empty()) {
        out = line.file;
        out.replace_extension(".sealed.h5ad");
    }
    store::SealOptions options;
    options.overwrite = line.overwrite;
    options.partial = line.partial;
    store::seal(line.file, out, options, tenths("sealed"));
    fmt::print("{} -> {}: {} -> {} bytes, rows and journal verified\n", line.file.string(), out.string(),
               std::filesystem::file_size(line.file), std::filesystem::file_size(out));
    return 0;
}

}  // namespace mpira::cli
