// What was computed, from what, how far it is, where.
#include <algorithm>
#include <chrono>
#include <ctime>
#include <set>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "mpira/base/text.hpp"
#include "mpira/report/status_text.hpp"

#include "report/report_file.hpp"
#include "report/report_html.hpp"

namespace mpira::report {
namespace {

constexpr std::size_t kLongestValue = 600;

std::string value_text(nlohmann::json const& value) {
    if (value.is_string()) return value.get<std::string>();
    return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// A content name of ours, or a list of some.
bool is_content(std::string_view key, std::string const& value) {
    constexpr std::size_t kDigits = 32;
    auto const is_hash = value.size() == kDigits && std::ranges::all_of(value, [](char c) {
                             return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                         });
    auto const says = [key](std::string_view word) { return key.find(word) != std::string_view::npos; };
    return is_hash || says("content") || says("hash") || says("sha256") || key == "weights" ||
           key.starts_with("weights.");
}

/// "a.b.c" and the value of every leaf.
void flatten(std::string const& prefix, nlohmann::json const& value, std::vector<std::vector<Cell>>& settings,
             std::vector<std::vector<Cell>>& inputs) {
    if (value.is_object()) {
        for (auto const& [key, one] : value.items())
            flatten(prefix.empty() ? key : fmt::format("{}.{}", prefix, key), one, settings, inputs);
        return;
    }
    auto const text = value_text(value);
    auto& rows = is_content(prefix, text) || prefix.starts_with("inputs.") ? inputs : settings;
    rows.push_back({prefix, shortened(text, kLongestValue)});
}

void drop_doubles(std::vector<std::vector<Cell>>& rows) {
    std::ranges::sort(rows);
    auto const rest = std::ranges::unique(rows);
    rows.erase(rest.begin(), rest.end());
}

/// inputs.X beside "content of X" says the same.
void drop_known_inputs(std::vector<std::vector<Cell>>& rows) {
    auto const name_of = [](std::vector<Cell> const& row) { return std::get<std::string>(row.front()); };
    std::set<std::string> known;
    for (auto const& row : rows)
        if (auto const name = name_of(row); name.starts_with("content of "))
            known.insert("inputs." + name.substr(11));
    std::erase_if(rows, [&](auto const& row) { return known.contains(name_of(row)); });
}

void add_failures(store::Status const& status, Section& section) {
    if (status.first_errors.empty()) return;
    Table table{.name = "failed_units",
                .title = "Units that failed",
                .caption = fmt::format("{} in all; the first are listed.", status.failed),
                .columns = {"unit", "first_row", "attempt", "machine", "error"}};
    for (auto const& one : status.first_errors)
        table.rows.push_back({static_cast<std::int64_t>(one.unit), static_cast<std::int64_t>(one.first_row),
                              static_cast<std::int64_t>(one.attempt), one.machine, one.error});
    section.blocks.emplace_back(std::move(table));
}

std::string share_done(std::uint64_t done, std::uint64_t all) {
    if (done == all) return fmt::format("{}, all done", all);
    return fmt::format(
        "{} of {} done ({:.1f} %)", done, all,
        100 * static_cast<double>(done) / static_cast<double>(std::max<std::uint64_t>(all, 1)));
}

std::string seed_of(nlohmann::json const& identity) {
    auto const seed = identity.find("seed");
    return seed == identity.end() ? std::string() : value_text(*seed);
}

}  // namespace

void add_campaign(ReportFile const& file, Section& section) {
    auto const& status = file.status;
    auto const outcome = outcome_of(status);
    Facts facts{{{"Rows", share_done(status.rows_done, status.rows)},
                 {"Units", share_done(status.done, status.units)}}};
    if (status.failed > 0) facts.entries.emplace_back("Units that failed", std::to_string(status.failed));
    facts.entries.emplace_back("Outcome", status.sealed ? outcome + ", sealed" : outcome);
    if (auto const seed = seed_of(status.identity); !seed.empty()) facts.entries.emplace_back("Seed", seed);
    if (auto const assembly = file.text({"assembly"}); !assembly.empty())
        facts.entries.emplace_back("Assembly", assembly);
    facts.entries.emplace_back("Written by", fmt::format("mpira {}", status.version));
    facts.entries.emplace_back("File", text::bytes(std::filesystem::file_size(file.file)));
    section.blocks.emplace_back(std::move(facts));

    if (outcome != "done") {
        auto left = fmt::format("This campaign is not complete: {} of {} units are left", status.left(),
                                status.units);
        if (status.failed > 0) left += fmt::format(", {} set aside with an error", status.failed);
        section.blocks.emplace_back(Paragraph{left + ". What follows is over the rows that are done."});
    }
    for (auto const& keys : {std::vector<std::string>{"library"}, {"atlas", "description"}})
        if (auto const text = file.text(keys); !text.empty()) section.blocks.emplace_back(Paragraph{text});

    Table settings{.name = "settings",
                   .title = "Settings",
                   .caption = "As the file keeps them.",
                   .columns = {"setting", "value"},
                   .shown = 1000,
                   .folded = true};
    Table inputs{.name = "inputs",
                 .title = "Inputs by content",
                 .caption = "Content names: another file under the same name has another one.",
                 .columns = {"input", "content"},
                 .shown = 1000,
                 .folded = true};
    flatten("", status.identity, settings.rows, inputs.rows);
    if (auto const found = file.uns.find("inputs"); found != file.uns.end())
        flatten("inputs", *found, settings.rows, inputs.rows);
    // Of a sweep they are in the identity already, and here also those that change no result.
    if (auto const found = file.uns.find("settings");
        found != file.uns.end() && found->is_object() && status.job != "folds")
        flatten("", *found, settings.rows, inputs.rows);
    drop_known_inputs(inputs.rows);
    for (auto* const table : {&settings, &inputs}) {
        drop_doubles(table->rows);
        if (!table->rows.empty()) section.blocks.emplace_back(std::move(*table));
    }
    add_failures(status, section);
}

}  // namespace mpira::report
