#pragma once

#include <string>

namespace CLI {
class App;
}

namespace mpira::cli {

/// Completion scripts from the description that also makes --help, so that they can't disagree.
std::string bash_completion(CLI::App& app);
std::string zsh_completion(CLI::App& app);

}  // namespace mpira::cli
