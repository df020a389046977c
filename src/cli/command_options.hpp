#pragma once

#include <filesystem>
#include <string>

#include <CLI/CLI.hpp>

#include "mpira/cli/command_line.hpp"

/// Commands and their options, as CLI11 describes them; parsing fills the CommandLine, which outlives the
/// description.
namespace mpira::cli {

/// All of the program.
void describe_program(CLI::App& app, CommandLine& line);

/// In parts: what makes inputs (regions, split), what reads results (export, evaluate, report), what says
/// how long something takes (simulate, bench).
void add_input_commands(CLI::App& app, CommandLine& line);
void add_result_commands(CLI::App& app, CommandLine& line);
void add_estimate_commands(CLI::App& app, CommandLine& line);

CLI::App& add_command(CLI::App& app, CommandLine& line, Command command, std::string const& name,
                      std::string const& summary, std::string const& example);
/// Help of --overwrite where it works alone (mpira/base/draft_file.hpp: aside_name).
inline constexpr char const* kOverwriteFile =
    "Rename an existing output to FILE.old (or .old.2, ...: no copy is lost)";
inline constexpr char const* kOverwriteFolder =
    "Rename an existing output to FOLDER.old (or .old.2, ...: no copy is lost)";

/// Of a name that is to be made: a trailing slash, as shells complete a folder with, goes; . and .. are
/// refused.
CLI::Option* add_output(CLI::App& app, std::string const& option, std::filesystem::path& value,
                        std::string const& what, std::string const& type = "FILE");
/// A number in this range, its ends included. Unlike CLI::Range and the like it takes no NaN.
CLI::Validator number_in(double least, double most);
/// The command's FILE.
void add_file(CLI::App& sub, CommandLine& line, std::string const& what);

}  // namespace mpira::cli
