#include "mpira/base/settings.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

namespace mpira {
namespace {

std::string_view name_of(SettingKind kind) {
    switch (kind) {
        case SettingKind::flag:
            return "true or false";
        case SettingKind::integer:
            return "an integer";
        case SettingKind::number:
            return "a number";
        case SettingKind::text:
            return "a text";
        case SettingKind::texts:
            return "a list of texts";
    }
    return "?";
}

bool fits(SettingKind kind, SettingValue const& value) {
    switch (kind) {
        case SettingKind::flag:
            return std::holds_alternative<bool>(value);
        case SettingKind::integer:
            return std::holds_alternative<std::int64_t>(value);
        case SettingKind::number:
            return std::holds_alternative<double>(value);
        case SettingKind::text:
            return std::holds_alternative<std::string>(value);
        case SettingKind::texts:
            return std::holds_alternative<std::vector<std::string>>(value);
    }
    return false;
}

SettingSpec const* find(std::span<SettingSpec const> schema, std::string_view key) {
    auto const at =
        std::find_if(schema.begin(), schema.end(), [&](auto const& spec) { return spec.key == key; });
    return at == schema.end() ? nullptr : &*at;
}

std::string range_text(SettingSpec const& spec) {
    bool const has_least = spec.least > -std::numeric_limits<double>::infinity();
    bool const has_most = spec.most < std::numeric_limits<double>::infinity();
    if (has_least && has_most) return fmt::format("from {} to {}", spec.least, spec.most);
    return has_least ? fmt::format("at least {}", spec.least) : fmt::format("at most {}", spec.most);
}

std::string toml_text(std::string_view text) {
    std::string quoted = "\"";
    for (char const c : text) {
        if (c == '"' || c == '\\') quoted += '\\';
        quoted += c;
    }
    return quoted + '"';
}

std::string toml_value(SettingValue const& value) {
    struct Printer {
        std::string operator()(std::monostate) const { return "\"\""; }
        std::string operator()(bool x) const { return x ? "true" : "false"; }
        std::string operator()(std::int64_t x) const { return std::to_string(x); }
        std::string operator()(double x) const {
            auto text = fmt::format("{}", x);
            return text.find_first_of(".en") == std::string::npos ? text + ".0" : text;
        }
        std::string operator()(std::string const& x) const { return toml_text(x); }
        std::string operator()(std::vector<std::string> const& x) const {
            std::vector<std::string> quoted;
            for (auto const& item : x) quoted.push_back(toml_text(item));
            return fmt::format("[{}]", fmt::join(quoted, ", "));
        }
    };
    return std::visit(Printer{}, value);
}

std::string_view leaf_of(std::string_view key) {
    return key.substr(key.rfind('.') + 1);  // npos + 1 is 0: a key without a table
}

/// ", did you mean 'x'?": where a table was taken for a key, or a key for a table, that key; else a key of
/// that name in another table, else the nearest key, else the key with the nearest name in any table.
std::string hint_for(std::string_view wrong, std::vector<std::string> const& known) {
    auto const is_in = [](std::string_view key, std::string_view table) {
        return key.size() > table.size() && key.starts_with(table) && key[table.size()] == '.';
    };
    for (auto const& key : known)
        if (is_in(key, wrong) || is_in(wrong, key)) return fmt::format(", did you mean '{}'?", key);
    std::vector<std::string> leaves;
    for (auto const& key : known) leaves.emplace_back(leaf_of(key));
    auto const key_with = [&](std::string_view leaf) -> std::string const& {
        return known[static_cast<std::size_t>(std::find(leaves.begin(), leaves.end(), leaf) -
                                              leaves.begin())];
    };
    auto const leaf = leaf_of(wrong);
    if (std::find(leaves.begin(), leaves.end(), leaf) != leaves.end())
        return fmt::format(", did you mean '{}'?", key_with(leaf));
    if (auto hint = text::did_you_mean(wrong, known); !hint.empty()) return hint;
    auto const near = text::nearest(leaf, leaves);
    return near ? fmt::format(", did you mean '{}'?", key_with(*near)) : std::string();
}

}  // namespace

Settings::Settings(std::span<SettingSpec const> schema, std::string source)
    : schema_(schema.begin(), schema.end()), source_(std::move(source)) {
    for (auto const& spec : schema_) values_[spec.key] = spec.fallback;
}

void Settings::refuse(std::string_view key, std::string_view what) const {
    bool const by_option = given_by_option_.contains(key);
    fail_usage(by_option ? fmt::format("{} {}: {}", kSetOption, key, what)
                         : fmt::format("{}: {}: {}", source_, key, what));
}

void Settings::set(std::string const& key, SettingValue value, std::string_view where) {
    SettingSpec const* const spec = find(schema_, key);
    bool const by_option = where == kSetOption;
    if (by_option) given_by_option_.insert(key);
    auto const named = by_option ? key : fmt::format("{} ({})", key, where);
    if (spec == nullptr) {
        std::vector<std::string> known;
        for (auto const& one : schema_) known.push_back(one.key);
        refuse(named, "no such setting" + hint_for(key, known));
    }
    if (spec->kind == SettingKind::number && std::holds_alternative<std::int64_t>(value))
        value = static_cast<double>(std::get<std::int64_t>(value));
    if (spec->kind == SettingKind::texts && std::holds_alternative<std::string>(value))
        value = std::vector<std::string>{std::get<std::string>(value)};
    if (!fits(spec->kind, value)) refuse(named, fmt::format("expected {}", name_of(spec->kind)));

    double number = 0;
    bool is_number = true;
    if (auto const* integer = std::get_if<std::int64_t>(&value)) {
        number = static_cast<double>(*integer);
    } else if (auto const* real = std::get_if<double>(&value)) {
        number = *real;
    } else {
        is_number = false;
    }
    if (is_number && !(number >= spec->least && number <= spec->most))
        refuse(named, fmt::format("{} is out of range, expected {}", number, range_text(*spec)));
    if (auto const* word = std::get_if<std::string>(&value); word != nullptr && !spec->choices.empty()) {
        if (std::find(spec->choices.begin(), spec->choices.end(), *word) == spec->choices.end())
            refuse(named, fmt::format("'{}' is not one of {}{}", *word, fmt::join(spec->choices, ", "),
                                      text::did_you_mean(*word, spec->choices)));
    }
    values_[key] = std::move(value);
}

void Settings::set_from_text(std::string const& key, std::string_view value, std::string_view where) {
    SettingSpec const* const spec = find(schema_, key);
    SettingValue parsed = std::string(value);
    switch (spec == nullptr ? SettingKind::text : spec->kind) {
        case SettingKind::flag:
            if (value == "true" || value == "false") parsed = value == "true";
            break;
        case SettingKind::integer:
            if (auto const number = text::to_integer(value)) parsed = *number;
            break;
        case SettingKind::number:
            if (auto const number = text::to_number(value)) parsed = *number;
            break;
        case SettingKind::text:
            break;
        case SettingKind::texts: {
            std::vector<std::string> items;
            for (auto const item : text::split(value, ','))
                if (!text::trim(item).empty()) items.emplace_back(text::trim(item));
            parsed = std::move(items);
            break;
        }
    }
    set(key, std::move(parsed), where);
}

void Settings::require_complete() const {
    auto const is_empty = [](SettingValue const& value) {
        auto const* const text = std::get_if<std::string>(&value);
        auto const* const texts = std::get_if<std::vector<std::string>>(&value);
        return std::holds_alternative<std::monostate>(value) || (text != nullptr && text->empty()) ||
               (texts != nullptr && (texts->empty() || std::ranges::find(*texts, "") != texts->end()));
    };
    for (auto const& spec : schema_) {
        if (std::holds_alternative<std::monostate>(spec.fallback) && is_empty(at(spec.key)))
            refuse(spec.key, fmt::format("must be given ({}): {}", name_of(spec.kind), spec.summary));
    }
}

SettingValue const& Settings::at(std::string_view key) const {
    auto const found = values_.find(key);
    ensure(found != values_.end(), fmt::format("setting '{}' is not in the schema", key));
    return found->second;
}

bool Settings::flag(std::string_view key) const {
    return std::get<bool>(at(key));
}
std::int64_t Settings::integer(std::string_view key) const {
    return std::get<std::int64_t>(at(key));
}
std::uint64_t Settings::count(std::string_view key) const {
    auto const value = integer(key);
    ensure(value >= 0, fmt::format("setting '{}' needs a lower bound in its schema", key));
    return static_cast<std::uint64_t>(value);
}
double Settings::number(std::string_view key) const {
    return std::get<double>(at(key));
}
std::string const& Settings::text(std::string_view key) const {
    return std::get<std::string>(at(key));
}
std::vector<std::string> const& Settings::texts(std::string_view key) const {
    return std::get<std::vector<std::string>>(at(key));
}
std::filesystem::path Settings::path(std::string_view key) const {
    return text(key);
}

void Settings::refuse_given(std::string_view key, std::string_view what) const {
    auto const spec = std::ranges::find(schema_, key, &SettingSpec::key);
    if (auto const& value = at(key); spec == schema_.end() || value != spec->fallback) refuse(key, what);
}

nlohmann::json Settings::to_json(bool result_only) const {
    nlohmann::json object = nlohmann::json::object();
    for (auto const& spec : schema_) {
        if (result_only && spec.affects != Affects::result) continue;
        std::visit(
            [&](auto const& value) {
                if constexpr (!std::is_same_v<std::decay_t<decltype(value)>, std::monostate>)
                    object[spec.key] = value;
            },
            at(spec.key));
    }
    return object;
}

std::string commented_toml(std::span<SettingSpec const> schema, std::string_view title) {
    std::string out = fmt::format("# {}\n", title);
    std::string table;
    auto const emit = [&](SettingSpec const& spec, std::string_view leaf) {
        out += fmt::format("\n# {}\n", spec.summary);
        if (!spec.choices.empty()) out += fmt::format("# One of: {}.\n", fmt::join(spec.choices, ", "));
        if (spec.affects == Affects::run) out += "# May change when a campaign is resumed.\n";
        bool const required = std::holds_alternative<std::monostate>(spec.fallback);
        auto const value =
            required && spec.kind == SettingKind::texts ? std::string("[]") : toml_value(spec.fallback);
        out += fmt::format("{}{} = {}{}\n", required ? "# " : "", leaf, value,
                           required ? fmt::format("  # required: {}", name_of(spec.kind)) : "");
    };
    // TOML wants the keys without a table before the first table.
    for (auto const& spec : schema)
        if (spec.key.find('.') == std::string::npos) emit(spec, spec.key);
    std::vector<std::string> tables;
    for (auto const& spec : schema) {
        auto const dot = spec.key.rfind('.');
        if (dot == std::string::npos) continue;
        auto const name = spec.key.substr(0, dot);
        if (std::find(tables.begin(), tables.end(), name) == tables.end()) tables.push_back(name);
    }
    for (auto const& name : tables) {
        out += fmt::format("\n[{}]\n", name);
        for (auto const& spec : schema) {
            auto const dot = spec.key.rfind('.');
            if (dot != std::string::npos && spec.key.substr(0, dot) == name)
                emit(spec, spec.key.substr(dot + 1));
        }
    }
    return out;
}

}  // namespace mpira
