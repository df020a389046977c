#include "mpira/cli/command_line.hpp"

#include <algorithm>
#include <functional>
#include <memory>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

#include "cli/command_options.hpp"
#include "cli/completion.hpp"
#include "cli/man_page.hpp"
#include "cli/version.hpp"

namespace mpira::cli {
namespace {

/// The whole description of the command line.
class Description {
public:
    explicit Description(CommandLine& line) : app_("Genome-wide regulatory genomics under MPI", "mpira") {
        describe_program(app_, line);
    }
    CLI::App& app() { return app_; }

private:
    CLI::App app_;
};

std::vector<std::string> command_names(CLI::App& app) {
    std::vector<std::string> names;
    for (auto const* sub : app.get_subcommands(nullptr)) names.push_back(sub->get_name());
    return names;
}

/// The message about the first word when it is no command's name.
std::optional<std::string> unknown_command(CLI::App& app, int argc, char const* const* argv) {
    auto const names = command_names(app);
    for (int i = 1; i < argc; ++i) {
        std::string const word = argv[i];
        if (word.starts_with("-")) continue;
        if (std::find(names.begin(), names.end(), word) != names.end()) return std::nullopt;
        return fmt::format("mpira: there is no command '{}'{} (mpira --help lists them)", word,
                           text::did_you_mean(word, names));
    }
    return std::nullopt;
}

/// CLI11's message, with a hint where we have one.
std::string explain(CLI::ParseError const& error, CLI::App& app, int argc, char const* const* argv) {
    auto message = std::string(error.what());
    if (auto const unknown = unknown_command(app, argc, argv)) return *unknown;
    if (app.get_subcommands().empty() && argc > 1) return fmt::format("mpira: {}", message);
    if (app.get_subcommands().empty()) return "mpira: which command? mpira --help lists them";
    auto& sub = *app.get_subcommands().front();
    std::vector<std::string> known;
    for (auto const* option : sub.get_options())
        for (auto const& name : option->get_lnames()) known.push_back("--" + name);
    for (auto const& extra : app.remaining(true)) {
        if (!extra.starts_with("-")) continue;
        return fmt::format("mpira {}: there is no option {}{} (mpira {} --help lists them)", sub.get_name(),
                           extra, text::did_you_mean(extra, known), sub.get_name());
    }
    return fmt::format("mpira {}: {}", sub.get_name(), message);
}

}  // namespace

Parsed parse_command_line(int argc, char const* const* argv) {
    CommandLine line;
    Description description(line);
    auto& app = description.app();
    try {
        app.parse(argc, argv);
    } catch (CLI::CallForHelp const&) {
        auto const chosen = app.get_subcommands();
        auto const unknown = chosen.empty() ? unknown_command(app, argc, argv) : std::nullopt;
        if (unknown) return {std::nullopt, *unknown + "\n", 2};
        return {std::nullopt, chosen.empty() ? app.help() : chosen.front()->help("mpira"), 0};
    } catch (CLI::CallForVersion const&) {
        return {std::nullopt, versions(), 0};
    } catch (CLI::ParseError const& error) {
        return {std::nullopt, explain(error, app, argc, argv) + "\n", 2};
    }
    bool const is_run =
        line.command == Command::run || line.command == Command::train || line.command == Command::folds;
    if (line.overwrite && !line.fresh && is_run) {
        auto const name = line.command == Command::train   ? "train"
                          : line.command == Command::folds ? "folds"
                                                           : line.job;
        return {std::nullopt, fmt::format("mpira {}: --overwrite goes with --fresh\n", name), 2};
    }
    return {std::move(line), {}, 0};
}

std::string completion_script(std::string const& shell) {
    CommandLine line;
    Description description(line);
    return shell == "zsh" ? zsh_completion(description.app()) : bash_completion(description.app());
}

std::string man_page(std::string const& command) {
    CommandLine line;
    Description description(line);
    auto& app = description.app();
    if (command.empty()) return program_man_page(app);
    auto const names = command_names(app);
    if (std::find(names.begin(), names.end(), command) == names.end()) {
        fail_usage(fmt::format("there is no command '{}'{} (mpira --help lists them)", command,
                               text::did_you_mean(command, names)));
    }
    return command_man_page(*app.get_subcommand(command));
}

}  // namespace mpira::cli
