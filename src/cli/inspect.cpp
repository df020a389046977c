// status, verify, seal: result files looked at from outside.
#include "mpira/store/inspect.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "mpira/base/draft_file.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/cli/commands.hpp"
#include "mpira/report/status_text.hpp"
#include "mpira/store/anndata_reader.hpp"

#include "cli/train_status.hpp"

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

/// What keeps a sound file from passing for a finished one.
std::string not_computed(std::uint64_t units) {
    return units == 0 ? std::string() : fmt::format("; {} are not computed", units);
}

/// What a sweep (mpira folds) has found so far: held-out Pearson of the finished runs, setting by setting.
std::string sweep_so_far(std::filesystem::path const& file) {
    store::AnnDataReader const reader(file);
    auto const figures = reader.index("var");
    auto const pearson = std::find(figures.begin(), figures.end(), "pearson");
    if (pearson == figures.end()) return {};
    auto const column = static_cast<std::size_t>(pearson - figures.begin());
    auto const done = reader.integers("obs/done");
    auto const folds = reader.strings("obs/fold");
    auto const settings = reader.strings("obs/setting");
    auto const seeds = reader.integers("obs/seed");
    auto const saw = reader.strings("obs/base_saw");
    auto const x = reader.array<double>("X");
    std::string text;
    for (std::size_t first = 0; first < done.size();) {
        std::string runs;
        std::vector<std::string> labels;  // what bases saw of what is scored here
        double sum = 0;
        int finite = 0;
        auto end = first;
        for (; end < done.size() && settings[end] == settings[first]; ++end) {
            if (done[end] == 0) continue;
            auto const value = x.row(end)[column];
            runs += fmt::format("{}{}{} {:.3f}", runs.empty() ? "" : ", ", folds[end],
                                seeds[end] == seeds[first] ? "" : fmt::format(" seed {}", seeds[end]), value);
            if (!saw[end].empty()) labels.push_back(fmt::format("{}: {}", folds[end], saw[end]));
            if (!std::isfinite(value)) continue;
            sum += value;
            ++finite;
        }
        if (finite > 0)
            text += fmt::format("{}: Pearson {:.3f}, mean of {}\n", settings[first], sum / finite, runs);
        for (auto const& label : labels) text += fmt::format("  fold {}\n", label);
        first = end;
    }
    return text;
}

}  // namespace

int show_status(CommandLine const& line) {
    if (auto const run = train::run_status(line.file)) {
        fmt::print("{}", line.json ? train_status_json(*run).dump(1) + "\n" : train_status_text(*run));
        return 0;
    }
    auto const status = store::status(line.file);
    if (line.json) {
        fmt::print("{}\n", report::status_json(status).dump(1));
        return 0;
    }
    fmt::print("{}", report::status_text(status, line.file));
    if (status.job == "folds") fmt::print("{}", sweep_so_far(line.file));
    return 0;
}

int verify(CommandLine const& line) {
    auto const status = store::status(line.file);
    auto const verdict = store::verify(line.file, tenths("checked"));
    // Of a campaign at work, more may be finished by now.
    fmt::print("{}: checked {} of {} finished units{}\n", line.file.string(), verdict.checked,
               std::max(status.done, verdict.checked), not_computed(status.units - status.done));
    auto const tell = [](std::vector<std::uint64_t> const& units, std::string_view what) {
        if (!units.empty()) fmt::print("{} units {}: {}\n", units.size(), what, first_units(units));
    };
    tell(verdict.bad, "differ from their checksum");
    tell(verdict.torn, "have a damaged journal row");
    tell(verdict.unmarked, "lack the mark obs/done on some rows");
    if (verdict.good()) {
        fmt::print("every checksum holds: rows, journal{}\n",
                   verdict.tables ? ", names, settings and fixed arrays"
                                  : " (this file of an earlier version has none of names and settings)");
        return 0;
    }
    if (status.sealed) {
        fmt::print("a sealed copy can't be repaired: seal the campaign's file again, or take a sound copy\n");
        return 2;
    }
    if (!verdict.bad.empty() || !verdict.torn.empty() || !verdict.unmarked.empty())
        fmt::print(
            "run the campaign's command again with --set resume.check=all: these units are computed anew\n");
    if (verdict.tables.value_or(true)) return 3;
    fmt::print(
        "names, settings or fixed arrays differ from their checksum, which a resume can't repair: take a "
        "sound "
        "copy of the file, or start over with --fresh --overwrite\n");
    return 2;
}

int seal(CommandLine const& line) {
    auto out = line.output;
    if (out.empty()) {
        out = line.file;
        out.replace_extension(".sealed.h5ad");
    }
    refuse_input_as_output(out, std::array{line.file});
    store::SealOptions options;
    options.overwrite = line.overwrite;
    options.partial = line.partial;
    store::seal(line.file, out, options, tenths("sealed"));
    auto const status = store::status(out);
    fmt::print("{} -> {}: {} -> {} bytes, rows and journal verified: {} units{}\n", line.file.string(),
               out.string(), std::filesystem::file_size(line.file), std::filesystem::file_size(out),
               status.done, not_computed(status.units - status.done));
    return 0;
}

}  // namespace mpira::cli
