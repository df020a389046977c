#include "mpira/report/status_text.hpp"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <string_view>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mpira/base/text.hpp"

namespace mpira::report {
namespace {

std::string time_text(std::int64_t unix_ms) {
    // Not fmt::localtime: of the two versions of fmt that may be found (LibTorch brings one), the newer has
    // none.
    auto const seconds = static_cast<std::time_t>(unix_ms / 1000);
    std::tm local{};
    if (::localtime_r(&seconds, &local) == nullptr) return fmt::format("{} ms", unix_ms);
    return fmt::format("{:%Y-%m-%d %H:%M:%S}", local);
}

double seconds_since(std::int64_t unix_ms) {
    auto const now = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now().time_since_epoch());
    return static_cast<double>(now.count() - unix_ms) / 1000;
}

std::string owner_text(store::Status const& status) {
    if (!status.owner) return "nobody is writing it";
    auto const& owner = *status.owner;
    auto const who = fmt::format("host {} pid {}{}", owner.host, owner.pid,
                                 owner.job.empty() ? "" : fmt::format(" ({})", owner.job));
    return fmt::format("{} {} since {}, last heartbeat {} ago", who,
                       status.owner_alive ? "is writing it" : "was writing it and is gone; it wrote",
                       time_text(owner.started_ms), text::duration(seconds_since(owner.heartbeat_ms)));
}

/// Any text in lines of the page's width, under the values of the line above.
std::string under_the_line(std::string_view text) {
    constexpr std::size_t kWidth = 100;
    constexpr std::string_view kIndent = "           ";
    std::string out;
    std::string line;
    auto const end_line = [&] {
        if (!line.empty()) out += fmt::format("{}{}\n", kIndent, line);
        line.clear();
    };
    for (std::size_t at = 0; at < text.size();) {
        auto const begin = text.find_first_not_of(" \t\r\n", at);
        if (begin == std::string_view::npos) break;
        at = std::min(text.find_first_of(" \t\r\n", begin), text.size());
        auto const word = text.substr(begin, at - begin);  // never broken: it may be a path
        if (kIndent.size() + line.size() + 1 + word.size() > kWidth) end_line();
        if (!line.empty()) line += ' ';
        line += word;
    }
    end_line();
    return out;
}

}  // namespace

std::string outcome_of(store::Status const& status) {
    if (status.finished) return "done";
    if (status.owner_alive) return "running";
    return status.left() == 0 && status.failed > 0 ? "failed" : "partial";
}

std::string status_text(store::Status const& status, std::filesystem::path const& file) {
    auto const percent = status.units == 0
                             ? 0.0
                             : 100.0 * static_cast<double>(status.done) / static_cast<double>(status.units);
    std::string out = fmt::format("{}: job {}, {} rows, written by mpira {}\n", file.string(), status.job,
                                  status.rows, status.version);
    out += fmt::format("outcome    {}{}\n", outcome_of(status), status.sealed ? ", sealed" : "");
    out += fmt::format("units      {} of {} done ({:.1f} %), {} failed, {} left, {} in flight\n", status.done,
                       status.units, percent, status.failed, status.left(), status.running);
    out += fmt::format("rows       {} of {} done\n", status.rows_done, status.rows);
    if (status.torn > 0)
        out += fmt::format("torn       {} journal rows don't hold together; their units are run again\n",
                           status.torn);
    if (status.units_per_s && !status.finished) {
        out += fmt::format("rate       {:.3g} units/s", *status.units_per_s);
        if (status.eta_s) out += fmt::format(", {} left", text::duration(*status.eta_s));
        out += '\n';
    }
    if (!status.finished) out += fmt::format("owner      {}\n", owner_text(status));
    for (auto const& share : status.machines)
        out += fmt::format("machine    {}: {} units, {} of computing\n", share.machine, share.units,
                           text::duration(share.seconds));
    if (status.death) out += fmt::format("last run   {}\n", status.death->cause);
    for (auto const& failed : status.first_errors)
        out += fmt::format("failed     unit {} (rows from {}), attempt {}, on {}\n{}", failed.unit,
                           failed.first_row, failed.attempt, failed.machine,
                           under_the_line(failed.error + (failed.cut ? "... (the log has the rest)" : "")));
    if (status.failed > status.first_errors.size())
        out += fmt::format("           ... and {} more\n", status.failed - status.first_errors.size());
    if (outcome_of(status) == "partial" || outcome_of(status) == "failed")
        out += status.sealed
                   ? "next       go on with the file this copy was sealed from, then seal that again\n"
                   : "next       run the same command again; it resumes, on any number of ranks\n";
    return out;
}

nlohmann::json status_json(store::Status const& status) {
    nlohmann::json machines = nlohmann::json::array();
    for (auto const& share : status.machines)
        machines.push_back({{"machine", share.machine}, {"units", share.units}, {"seconds", share.seconds}});
    nlohmann::json errors = nlohmann::json::array();
    for (auto const& one : status.first_errors)
        errors.push_back({{"unit", one.unit},
                          {"first_row", one.first_row},
                          {"attempt", one.attempt},
                          {"machine", one.machine},
                          {"error", one.error},
                          {"cut", one.cut}});
    nlohmann::json object{{"job", status.job},
                          {"version", status.version},
                          {"outcome", outcome_of(status)},
                          {"rows", status.rows},
                          {"rows_done", status.rows_done},
                          {"units", status.units},
                          {"done", status.done},
                          {"failed", status.failed},
                          {"left", status.left()},
                          {"running", status.running},
                          {"torn", status.torn},
                          {"finished", status.finished},
                          {"sealed", status.sealed},
                          {"owner_alive", status.owner_alive},
                          {"machines", machines},
                          {"first_errors", errors},
                          {"charges", status.charges},
                          {"settings", status.identity}};
    if (status.death) {
        object["death"] = status.death->cause;
        object["death_by_stop"] = status.death->stopped;
    }
    if (status.units_per_s) object["units_per_s"] = *status.units_per_s;
    if (status.eta_s) object["eta_s"] = *status.eta_s;
    return object;
}

}  // namespace mpira::report
