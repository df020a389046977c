#include "mpira/schedule/progress.hpp"

#include <chrono>
#include <cmath>
#include <cstdio>

#include <unistd.h>

#include <fmt/format.h>

#include "mpira/base/log.hpp"
#include "mpira/base/text.hpp"

namespace mpira::schedule {
namespace {

double since_start_s() {
    using Clock = std::chrono::steady_clock;
    return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

}  // namespace

std::string to_line(ProgressReport const& report) {
    double const percent =
        report.units > 0 ? 100.0 * static_cast<double>(report.done) / static_cast<double>(report.units) : 100;
    auto line = fmt::format("{} of {} units ({:.1f} %)", text::with_commas(report.done),
                            text::with_commas(report.units), percent);
    if (report.seconds > 0 && report.rows > 0) {
        double const rate = static_cast<double>(report.rows) / report.seconds;
        line += rate >= 100 ? fmt::format(", {} rows/s",
                                          text::with_commas(static_cast<std::uint64_t>(std::llround(rate))))
                            : fmt::format(", {:.3g} rows/s", rate);
    }
    if (report.last) {
        line += ", " + text::duration(report.seconds);
    } else if (report.left_s >= 0) {
        line += ", " + text::duration(report.left_s) + " left";
    }
    if (report.set_aside > 0) line += fmt::format(", {} set aside", text::with_commas(report.set_aside));
    return line;
}

Progress::Progress() : Progress(isatty(STDERR_FILENO) != 0) {}

Progress::Progress(bool terminal) : terminal_(terminal) {}

Progress::~Progress() {
    if (line_open_) std::fputc('\n', stderr);
}

void Progress::show(ProgressReport const& report) {
    double const now = since_start_s();
    if (!report.last && now < next_s_) return;
    if (terminal_) {
        // \x1b[K: clear what a longer line has left.
        fmt::print(stderr, "\r{}\x1b[K{}", to_line(report), report.last ? "\n" : "");
        std::fflush(stderr);
        line_open_ = !report.last;
        next_s_ = now + 0.2;
        return;
    }
    bool const first = next_s_ == 0;
    next_s_ = now + 60;
    if (report.last || !first) log::info("{}", to_line(report));
}

}  // namespace mpira::schedule
