#pragma once

#include <string_view>
#include <utility>

#include <fmt/format.h>

/// Log lines for people, on stderr: time, level, text. Rank 0 says what concerns the whole job; another
/// rank's lines carry its number. Threads: any.
namespace mpira::log {

enum class Level { debug, info, warning, error };

/// Call once, after MPI has started. Ranks other than 0 drop info lines unless `verbose`.
void set_rank(int rank, bool verbose);

void write(Level level, std::string_view text);

template <typename... Args>
void info(fmt::format_string<Args...> text, Args&&... args) {
    write(Level::info, fmt::format(text, std::forward<Args>(args)...));
}
template <typename... Args>
void debug(fmt::format_string<Args...> text, Args&&... args) {
    write(Level::debug, fmt::format(text, std::forward<Args>(args)...));
}
template <typename... Args>
void warning(fmt::format_string<Args...> text, Args&&... args) {
    write(Level::warning, fmt::format(text, std::forward<Args>(args)...));
}
template <typename... Args>
void error(fmt::format_string<Args...> text, Args&&... args) {
    write(Level::error, fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace mpira::log
