#include "mpira/report/status_text.hpp"

#include <chrono>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "mpira/base/text.hpp"

namespace mpira::report {
namespace {

std::string time_text(std::int64_t unix_ms) {
    return fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::localtime(static_cast<std::time_t>(unix_ms / 1000)));
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
    for (auto const& failed : status.first_errors)
        out += fmt::format("failed     unit {} (rows from {}), attempt {}, on {}: {}\n", failed.unit,
                           failed.first_row, failed.attempt, failed.machine, failed.error);
    if (status.failed > status.first_errors.size())
        out += fmt::format("           ... and {} more\n", status.failed - status.first_errors.size());
    if (outcome_of(status) == "partial" || outcome_of(status) == "failed")
        out += "next       run the same command again; it resumes, on any number of ranks\n";
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
                          {"error", one.error}});
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
                          {"settings", status.identity}};
    if (status.units_per_s) object["units_per_s"] = *status.units_per_s;
    if (status.eta_s) object["eta_s"] = *status.eta_s;
    return object;
}

}  // namespace mpira::report
