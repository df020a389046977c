#include "cli/man_page.hpp"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mpira/base/settings.hpp"
#include "mpira/base/text.hpp"

#include "cli/schemas.hpp"
#include "cli/version.hpp"

namespace mpira::cli {
namespace {

/// Text as roff prints it unchanged: '-' stays the ASCII minus that one copies, a backslash is no escape, and
/// what begins with a dot or an apostrophe is no request.
std::string roff(std::string_view text) {
    std::string out;
    if (text.starts_with('.') || text.starts_with('\'')) out = "\\&";
    for (char const c : text) {
        switch (c) {
            case '\\':
                out += "\\e";
                break;
            case '-':
                out += "\\-";
                break;
            case '~':
                out += "\\(ti";
                break;
            case '^':
                out += "\\(ha";
                break;
            case '`':
                out += "\\(ga";
                break;
            default:
                out += c;
        }
    }
    return out;
}

/// A paragraph, in source lines of ordinary length.
std::string filled(std::string_view text) {
    constexpr std::size_t kWidth = 78;
    std::string out;
    std::string line;
    for (auto const word : text::split(text, ' ')) {
        auto const next = roff(word);  // each may come to begin a line
        if (!line.empty() && line.size() + 1 + next.size() > kWidth) {
            out += line + '\n';
            line.clear();
        }
        line += (line.empty() ? "" : " ") + next;
    }
    return out + line + '\n';
}

std::string head(std::string const& name, std::string_view summary) {
    auto title = name;
    std::ranges::transform(title, title.begin(), [](unsigned char c) { return std::toupper(c); });
    return fmt::format(".TH {} 1 \"{}\" \"{}\" \"User Commands\"\n.SH NAME\n{} \\-\n{}", roff(title),
                       git_day(), roff(release_name()), roff(name), filled(summary));
}

/// "--set KEY=VALUE", as --help names it.
std::string term(CLI::Option const& option) {
    if (option.get_positional()) return fmt::format("\\fI{}\\fR", roff(option.get_name(true)));
    std::vector<std::string> names;
    for (auto const& name : option.get_snames()) names.push_back("\\fB" + roff("-" + name) + "\\fR");
    for (auto const& name : option.get_lnames()) names.push_back("\\fB" + roff("--" + name) + "\\fR");
    auto const type = option.get_type_size() == 0 ? std::string() : option.get_type_name();
    return fmt::format("{}{}", fmt::join(names, ", "),
                       type.empty() ? "" : fmt::format(" \\fI{}\\fR", roff(type)));
}

std::string options(CLI::App const& app) {
    std::string out;
    for (auto const* option : app.get_options()) {
        out += fmt::format(".TP\n{}\n{}", term(*option), filled(option->get_description()));
        if (option->get_required()) out += "Must be given.\n";
        if (auto const value = option->get_default_str(); !value.empty())
            out += filled(fmt::format("Default: {}.", value));
    }
    return out;
}

/// The example that --help ends with, to be copied.
std::string example(CLI::App const& command) {
    std::string lines;
    auto const footer = command.get_footer();
    for (auto const line : text::split(footer, '\n')) {
        auto const words = text::trim(line);
        if (!words.empty() && words != "Example:") lines += roff(words) + "\n";
    }
    return fmt::format(".SH EXAMPLE\n.nf\n{}.fi\n", lines);
}

/// "= 600", as in TOML.
std::string fallback_text(SettingSpec const& spec) {
    struct Printer {
        std::string operator()(std::monostate) const { return "(must be given)"; }
        std::string operator()(bool x) const { return x ? "= true" : "= false"; }
        std::string operator()(std::int64_t x) const { return fmt::format("= {}", x); }
        std::string operator()(double x) const { return fmt::format("= {}", x); }
        std::string operator()(std::string const& x) const { return fmt::format("= \"{}\"", x); }
        std::string operator()(std::vector<std::string> const& x) const {
            return x.empty() ? "= []" : fmt::format("= [\"{}\"]", fmt::join(x, "\", \""));
        }
    };
    return std::visit(Printer{}, spec.fallback);
}

std::string settings(NamedSchema const& job) {
    auto out = ".SH SETTINGS\n" +
               filled(fmt::format("Keys of the file that --config names, or of --set KEY=VALUE, and their "
                                  "defaults. 'mpira config {}' prints them as such a file.",
                                  job.name));
    for (auto const& spec : job.schema) {
        out += fmt::format(".TP\n\\fB{}\\fR {}\n{}", roff(spec.key), roff(fallback_text(spec)),
                           filled(spec.summary));
        if (!spec.choices.empty()) out += filled(fmt::format("One of: {}.", fmt::join(spec.choices, ", ")));
        if (spec.affects == Affects::run) out += "May change when a campaign is resumed.\n";
    }
    return out;
}

constexpr char const* kExitStatus = R"(.SH EXIT STATUS
.TP
0
Done.
.TP
1
A fault of mpira.
.TP
2
The input is wrong; the message names the file, line or key.
.TP
3
Partly done: the same command again goes on from there.
.PP
The exit code of mpirun is its own; what a campaign came to is told by
\fBmpira status\fR \fIFILE\fR.
)";

constexpr char const* kDescription = R"(.SH SYNOPSIS
\fBmpira\fR \fICOMMAND\fR [\fIoptions\fR]
.br
\fBmpirun \-n\fR \fIranks\fR \fBmpira\fR \fICOMMAND\fR [\fIoptions\fR]
.SH DESCRIPTION
A campaign asks a model of transcription the same question at very many
places.
mpira cuts it into units, keeps every core or GPU busy with them, and leaves
one file, which opens in anndata.
It is started by mpirun, srun or nothing (one rank); the same command again
resumes.
.PP
Each command has a page of its own, mpira\-COMMAND, with its options, an
example, and of a job every setting; \fBmpira man\fR \fICOMMAND\fR prints it.
)";

constexpr char const* kFiles = R"(.SH FILES
.TP
\fIRESULT\fR.h5ad
What a campaign has come to, also while it runs.
.TP
\fIRESULT\fR.h5ad.flight
Which unit each rank is at, and how the last ones ended.
.TP
\fIRESULT\fR.h5ad.old
What \fB\-\-fresh \-\-overwrite\fR replaced (earlier ones stay; later ones are .old.2, .old.3, ...).
)";

}  // namespace

std::string program_man_page(CLI::App& app) {
    auto page = head("mpira", app.get_description()) + kDescription;
    std::vector<std::string> see;
    for (auto const& [group, title] : {std::pair{"Jobs", "JOBS"}, std::pair{"Commands", "COMMANDS"}}) {
        page += fmt::format(".SH {}\n", title);
        for (auto const* sub : app.get_subcommands(nullptr)) {
            if (sub->get_group() != group) continue;
            page += fmt::format(".TP\n\\fB{}\\fR\n{}", sub->get_name(), filled(sub->get_description()));
            see.push_back(fmt::format(".BR mpira\\-{} (1)", sub->get_name()));
        }
    }
    return page + ".SH OPTIONS\n" + options(app) + kExitStatus + kFiles +
           fmt::format(".SH SEE ALSO\n{}\n", fmt::join(see, ",\n"));
}

std::string command_man_page(CLI::App& command) {
    auto const& name = command.get_name();
    auto page = head("mpira-" + name, command.get_description());
    page += fmt::format(".SH SYNOPSIS\n\\fBmpira {}\\fR", name);
    for (auto const* option : command.get_options())
        if (option->get_positional()) page += fmt::format(" \\fI{}\\fR", roff(option->get_name(true)));
    page += " [\\fIoptions\\fR]\n.SH OPTIONS\n" + options(command) + example(command);
    for (auto const& job : all_schemas())
        if (job.name == name) page += settings(job);
    return page + kExitStatus + ".SH SEE ALSO\n.BR mpira (1)\n";
}

}  // namespace mpira::cli
