#include "cli/completion.hpp"

#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/text.hpp"

#include "cli/schemas.hpp"

namespace mpira::cli {
namespace {

std::vector<std::string> long_options(CLI::App& app) {
    std::vector<std::string> names;
    for (auto const* option : app.get_options())
        for (auto const& name : option->get_lnames()) names.push_back("--" + name);
    return names;
}

/// The only values that an option takes, by the type that --help shows, "TEXT:{tsv,bedgraph}"; else nothing.
std::vector<std::string> choices_of(CLI::Option const& option) {
    auto const type = option.get_type_name();
    auto const open = type.find(":{"), close = type.find('}');
    std::vector<std::string> choices;
    if (open == std::string::npos || close == std::string::npos) return choices;
    for (auto const choice : text::split(std::string_view(type).substr(open + 2, close - open - 2), ','))
        choices.emplace_back(choice);
    return choices;
}

std::vector<std::string> setting_keys(std::vector<SettingSpec> const& schema) {
    std::vector<std::string> keys;
    for (auto const& spec : schema) keys.push_back(spec.key + "=");
    return keys;
}

/// A line of a shell's `case "$command $previous"` for each option that takes certain values only. `take`:
/// what the shell does with them, `{}`.
std::string cases_of_values(CLI::App& app, std::string_view take) {
    std::string cases;
    for (auto* sub : app.get_subcommands(nullptr)) {
        for (auto const* option : sub->get_options()) {
            auto const choices = choices_of(*option);
            if (choices.empty() || option->get_lnames().empty()) continue;
            cases += fmt::format("        '{} --{}') {} ;;\n", sub->get_name(), option->get_lnames().front(),
                                 fmt::format(fmt::runtime(take), fmt::join(choices, " ")));
        }
    }
    return cases;
}

/// A text within single quotes of zsh's _describe, where ':' separates.
std::string plain(std::string text) {
    for (auto& c : text)
        if (c == '\'' || c == ':') c = ' ';
    return text;
}

}  // namespace

std::string bash_completion(CLI::App& app) {
    std::vector<std::string> commands;
    std::string options;
    for (auto* sub : app.get_subcommands(nullptr)) {
        commands.push_back(sub->get_name());
        options += fmt::format("        {}) words=\"{} --verbose\" ;;\n", sub->get_name(),
                               fmt::join(long_options(*sub), " "));
    }
    auto const values = cases_of_values(app, "words=\"{}\"");
    std::string keys;
    std::vector<std::string> names;
    for (auto const& [name, summary, schema] : all_schemas()) {
        names.push_back(name);
        keys += fmt::format("            {}) words=\"{}\" ;;\n", name, fmt::join(setting_keys(schema), " "));
    }
    return fmt::format(R"(# mpira completion for bash: source <(mpira completion bash)
_mpira() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}" words=""
    local command="${{COMP_WORDS[1]-}}"
    COMPREPLY=()
    if [[ $COMP_CWORD -eq 1 ]]; then
        mapfile -t COMPREPLY < <(compgen -W "{0} --help --version" -- "$word")
        return
    fi
    if [[ $previous == --set ]]; then
        case "$command" in plan) command="${{COMP_WORDS[2]-}}" ;; esac
        case "$command" in
{2}        esac
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
        compopt -o nospace
        return
    fi
    case "$command $previous" in
{4}    esac
    if [[ -n $words ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
        return
    fi
    if [[ $word != -* ]]; then
        case "$command" in
            config|plan) [[ $COMP_CWORD -eq 2 ]] && mapfile -t COMPREPLY < <(compgen -W "{3}" -- "$word") && return ;;
            completion) mapfile -t COMPREPLY < <(compgen -W "bash zsh" -- "$word"); return ;;
            man) mapfile -t COMPREPLY < <(compgen -W "{0}" -- "$word"); return ;;
        esac
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
    fi
    case "$command" in
{1}    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}}
complete -o filenames -F _mpira mpira
)",
                       fmt::join(commands, " "), options, keys, fmt::join(names, " "), values);
}

std::string zsh_completion(CLI::App& app) {
    std::string commands;
    std::string options;
    for (auto* sub : app.get_subcommands(nullptr)) {
        commands += fmt::format("        '{}:{}'\n", sub->get_name(), plain(sub->get_description()));
        options += fmt::format("        {}) choices=({} --verbose) ;;\n", sub->get_name(),
                               fmt::join(long_options(*sub), " "));
    }
    std::string keys;
    std::vector<std::string> names;
    for (auto const& [name, summary, schema] : all_schemas()) {
        names.push_back(name);
        keys += fmt::format("            {}) choices=({}) ;;\n", name, fmt::join(setting_keys(schema), " "));
    }
    return fmt::format(R"(#compdef mpira
# mpira completion for zsh: source <(mpira completion zsh)
_mpira() {{
    local -a commands choices
    local command=$words[2]
    commands=(
{0}    )
    if (( CURRENT == 2 )); then
        _describe command commands
        return
    fi
    if [[ $words[CURRENT-1] == --set ]]; then
        [[ $command == plan ]] && command=$words[3]
        case $command in
{2}        esac
        compadd -S '' -- $choices
        return
    fi
    case "$command $words[CURRENT-1]" in
{4}    esac
    if [[ $PREFIX != -* ]]; then
        case $command in
            config|plan) (( CURRENT == 3 )) && {{ compadd -- {3}; return }} ;;
            completion) compadd -- bash zsh; return ;;
            man) _describe command commands; return ;;
        esac
        _files
        return
    fi
    case $command in
{1}    esac
    compadd -- $choices
}}
compdef _mpira mpira
)",
                       commands, options, keys, fmt::join(names, " "),
                       cases_of_values(app, "compadd -- {}; return"));
}

}  // namespace mpira::cli
