#pragma once

#include <string>

namespace CLI {
class App;
}

namespace mpira::cli {

/// mpira.1, from the description that also makes --help.
std::string program_man_page(CLI::App& app);
/// mpira-NAME.1 of a command: its options, and of a job every setting.
std::string command_man_page(CLI::App& command);

}  // namespace mpira::cli
