#include "mpira/cli/read_settings.hpp"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

namespace mpira::cli {
namespace {

std::string line_of(toml::node const& node) {
    return fmt::format("line {}", node.source().begin.line);
}

/// A TOML value as a SettingValue; `key` and `where` name it when it is of a kind no setting has.
SettingValue value_of(toml::node const& node, std::string const& key, std::string const& where,
                      Settings const& settings) {
    if (auto const* flag = node.as_boolean()) return flag->get();
    if (auto const* integer = node.as_integer()) return integer->get();
    if (auto const* number = node.as_floating_point()) return number->get();
    if (auto const* text = node.as_string()) return text->get();
    auto const named = fmt::format("{} ({})", key, where);
    auto const* list = node.as_array();
    if (list == nullptr) settings.refuse(named, "dates and times are not taken; write a text in quotes");
    std::vector<std::string> items;
    for (auto const& item : *list) {
        // Lists of numbers are lists of texts to Settings: `units = [3, 4]` reads as it is written.
        if (auto const* text = item.as_string())
            items.push_back(text->get());
        else if (auto const* integer = item.as_integer())
            items.push_back(std::to_string(integer->get()));
        else if (auto const* number = item.as_floating_point())
            items.push_back(fmt::format("{}", number->get()));
        else
            settings.refuse(named, "a list may hold texts or numbers only");
    }
    return items;
}

void flatten(toml::table const& table, std::string const& prefix, Settings& settings) {
    for (auto const& [name, node] : table) {
        auto const key = prefix + std::string(name.str());
        if (auto const* inner = node.as_table())
            flatten(*inner, key + '.', settings);
        else
            settings.set(key, value_of(node, key, line_of(node), settings), line_of(node));
    }
}

/// One --set. A list may be written as `mpira config` prints it, ["a", "b"], or as a,b.
void set_override(Settings& settings, std::string const& key, std::string_view value) {
    auto const schema = settings.schema();
    bool const is_list = std::any_of(schema.begin(), schema.end(), [&](auto const& spec) {
        return spec.key == key && spec.kind == SettingKind::texts;
    });
    if (!is_list || !value.starts_with('[')) {
        settings.set_from_text(key, value, kSetOption);
        return;
    }
    toml::table parsed;
    try {
        parsed = toml::parse(fmt::format("list = {}", value));
    } catch (toml::parse_error const& error) {
        fail_usage(fmt::format("--set {}={}: {}; write {}=a,b or '{}=[\"a\",\"b\"]' in single quotes", key,
                               value, error.description(), key, key));
    }
    settings.set(key, value_of(*parsed.get("list"), key, std::string(kSetOption), settings), kSetOption);
}

}  // namespace

std::vector<SettingSpec> campaign_schema() {
    using enum SettingKind;
    return {
        {"output", text, std::string(), "The result file (.h5ad). --output on the command line wins.",
         Affects::run},
        {"commit.seconds",
         number,
         5.0,
         "Finished rows wait in memory at most this long, in seconds.",
         Affects::run,
         {},
         0.01,
         3600},
        {"commit.units",
         integer,
         std::int64_t{64},
         "Finished rows wait in memory at most for so many units.",
         Affects::run,
         {},
         1,
         1e6},
        {"stop.finish_s",
         number,
         10.0,
         "After SIGUSR1, which Slurm sends before the time limit, the unit at hand may go on for so many "
         "seconds before it is dropped, to be computed again. With units longer than that, choose what the "
         "signal's lead leaves (launch/slurm.sbatch: 300 s; 200 here).",
         Affects::run,
         {},
         0,
         86400},
        {"watchdog.unit_timeout_s",
         number,
         0.0,
         "A rank that is at one unit of work for longer than this, in seconds, hangs: the job is ended, "
         "naming it. "
         "Choose several times what the longest unit takes; 0: never.",
         Affects::run,
         {},
         0,
         1e7},
        {"resume.check",
         text,
         std::string("sample"),
         "How much of the rows already in the file is read back and compared with its checksum when a "
         "campaign is resumed.",
         Affects::run,
         {"none", "sample", "all"}},
        {"store.reserve", flag, true,
         "Reserve the result's full size on disk at the start, so that a full disk is met now and not hours "
         "later.",
         Affects::run},
        {"store.stripe",
         integer,
         std::int64_t{0},
         "On Lustre: over how many storage targets (OSTs) a new result is spread, -1 for all; 0 leaves it to "
         "its "
         "folder (lfs getstripe -d). Many ranks that write one large file want many.",
         Affects::run,
         {},
         -1,
         2000},
        {"store.write",
         text,
         std::string("direct"),
         "How a rank's rows reach the file: straight to their place in it, or through HDF5's MPI-IO driver "
         "(mpiio), for file systems where MPI-IO knows better.",
         Affects::run,
         {"direct", "mpiio"}},
        {"store.owner_wait_s",
         number,
         15.0,
         "How long a start waits, in seconds, while another run writes the file (it may be ending).",
         Affects::run,
         {},
         0,
         86400},
        {"device",
         text,
         std::string("auto"),
         "auto takes a GPU where the build and the machine have one; cuda insists on it.",
         Affects::run,
         {"auto", "cpu", "cuda"}},
        {"threads",
         integer,
         std::int64_t{1},
         "Threads of one model call. Changes the last bits of a model's output; more cores are better used "
         "by "
         "more ranks.",
         Affects::result,
         {},
         1,
         1024},
    };
}

std::vector<SettingSpec> with_campaign_schema(std::vector<SettingSpec> job_schema) {
    for (auto& spec : campaign_schema()) {
        for (auto const& known : job_schema)
            ensure(known.key != spec.key, fmt::format("two settings are called '{}'", spec.key));
        job_schema.push_back(std::move(spec));
    }
    return job_schema;
}

Settings parse_settings(std::span<SettingSpec const> schema, std::string_view toml_text,
                        std::string const& source, std::span<std::string const> overrides) {
    Settings settings(schema, source);
    try {
        flatten(toml::parse(toml_text, source), "", settings);
    } catch (toml::parse_error const& error) {
        auto const& at = error.source().begin;
        fail_usage(fmt::format("{}:{}:{}: {}", source, at.line, at.column, error.description()));
    }
    for (auto const& one : overrides) {
        auto const equals = one.find('=');
        if (equals == std::string::npos || equals == 0)
            fail_usage(fmt::format("--set {}: expected key.path=value", one));
        auto const key = std::string(text::trim(std::string_view(one).substr(0, equals)));
        set_override(settings, key, text::trim(std::string_view(one).substr(equals + 1)));
    }
    settings.require_complete();
    return settings;
}

std::string read_text(std::filesystem::path const& file) {
    if (file.empty()) return {};
    constexpr std::uintmax_t kLargest = 16U << 20U;
    std::error_code code;
    auto const status = std::filesystem::status(file, code);
    require(std::filesystem::exists(status), fmt::format("{}: no such file", file.string()));
    require(!std::filesystem::is_directory(status),
            fmt::format("{}: is a folder, expected a TOML file", file.string()));
    std::ifstream stream(file, std::ios::binary);
    require(stream.good(),
            fmt::format("{}: can't be opened for reading, check its permissions", file.string()));
    std::ostringstream text;
    std::vector<char> block(1U << 16U);
    std::uintmax_t size = 0;
    while (stream.read(block.data(), static_cast<std::streamsize>(block.size())) || stream.gcount() > 0) {
        size += static_cast<std::uintmax_t>(stream.gcount());
        require(size <= kLargest, fmt::format("{}: larger than 16 MiB, no settings file", file.string()));
        text.write(block.data(), stream.gcount());
    }
    return text.str();
}

}  // namespace mpira::cli
