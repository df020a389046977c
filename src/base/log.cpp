#include "mpira/base/log.hpp"

#include <memory>
#include <string>

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

namespace mpira::log {
namespace {

struct State {
    std::shared_ptr<spdlog::logger> logger = [] {
        auto made = std::make_shared<spdlog::logger>("mpira",
                                                     std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
        made->set_pattern("%H:%M:%S %^%L%$ %v");
        made->flush_on(spdlog::level::trace);
        return made;
    }();
    int rank = 0;
    bool verbose = false;
};

State& state() {
    static State the_state;
    return the_state;
}

spdlog::level::level_enum to_spdlog(Level level) {
    switch (level) {
        case Level::debug:
            return spdlog::level::debug;
        case Level::info:
            return spdlog::level::info;
        case Level::warning:
            return spdlog::level::warn;
        case Level::error:
            return spdlog::level::err;
    }
    return spdlog::level::info;
}

}  // namespace

void set_rank(int rank, bool verbose) {
    state().rank = rank;
    state().verbose = verbose;
    state().logger->set_level(verbose ? spdlog::level::debug : spdlog::level::info);
}

void write(Level level, std::string_view text) {
    State const& now = state();
    bool const quiet = now.rank != 0 && !now.verbose && level <= Level::info;
    if (quiet) return;
    if (now.rank == 0) {
        now.logger->log(to_spdlog(level), text);
    } else {
        now.logger->log(to_spdlog(level), "[rank " + std::to_string(now.rank) + "] " + std::string(text));
    }
}

}  // namespace mpira::log
