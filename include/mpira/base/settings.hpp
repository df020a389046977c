#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace mpira {

/// A value of a setting. Nothing (monostate) as a default means: must be given.
using SettingValue =
    std::variant<std::monostate, bool, std::int64_t, double, std::string, std::vector<std::string>>;

enum class SettingKind { flag, integer, number, text, texts };

/// Whether a setting decides the bytes of the result. Such a setting is stored in the result file, and a
/// resume with another value is refused by name; the others may change from run to run.
enum class Affects { result, run };

/// One key a user may write: its table in `mpira config JOB`, its check, its default.
struct SettingSpec {
    std::string key;  ///< dotted path as in TOML, "sites.insertions"
    SettingKind kind = SettingKind::text;
    SettingValue fallback;  ///< monostate: required
    std::string summary;    ///< what it is, its unit, and when to change it
    Affects affects = Affects::result;
    std::vector<std::string> choices{};  ///< for text: the only values taken; empty: any
    double least = -std::numeric_limits<double>::infinity();
    double most = std::numeric_limits<double>::infinity();
};

/// Where a setting stands that was given on the command line.
inline constexpr std::string_view kSetOption = "--set";

/// A job's settings, complete: every key of the schema has a value, checked for type, range and choices.
///
/// Filled by cli (TOML and --set) through set(); read by jobs. Threads: reading is free for all.
class Settings {
public:
    /// Takes the fallbacks. `source` names the settings in messages ("config/quickstart.toml").
    Settings(std::span<SettingSpec const> schema, std::string source);

    /// Gives `key` a value. Unknown keys are refused with the nearest known name; the type, range and choice
    /// must fit (an integer is taken for a number, a text for a list of one). `where` says where it was
    /// written ("line 12", kSetOption).
    void set(std::string const& key, SettingValue value, std::string_view where);
    /// As set(), from text: `--set sites.insertions=60`. Lists: a,b or ["a","b"].
    void set_from_text(std::string const& key, std::string_view text, std::string_view where);
    /// Refuses a missing required key by name. Call when all values are in.
    void require_complete() const;

    [[nodiscard]] bool flag(std::string_view key) const;
    [[nodiscard]] std::int64_t integer(std::string_view key) const;
    [[nodiscard]] std::uint64_t count(
        std::string_view key) const;  ///< an integer that the schema bounds at >= 0
    [[nodiscard]] double number(std::string_view key) const;
    [[nodiscard]] std::string const& text(std::string_view key) const;
    [[nodiscard]] std::vector<std::string> const& texts(std::string_view key) const;
    /// text() as a path; relative ones are taken from the current directory. Empty text: an empty path.
    [[nodiscard]] std::filesystem::path path(std::string_view key) const;

    [[nodiscard]] std::span<SettingSpec const> schema() const noexcept { return schema_; }
    [[nodiscard]] std::string const& source() const noexcept { return source_; }
    /// {"sites.insertions": 600, ...}: those that affect the result, or all of them.
    [[nodiscard]] nlohmann::json to_json(bool result_only) const;

    /// A usage error about one key: "config.toml: sites.insertions: <what>", or "--set sites.insertions:
    /// <what>" where the command line gave it.
    [[noreturn]] void refuse(std::string_view key, std::string_view what) const;
    /// The same unless the key has the schema's value: for what would do nothing beside the other settings.
    void refuse_given(std::string_view key, std::string_view what) const;

private:
    [[nodiscard]] SettingValue const& at(std::string_view key) const;
    std::vector<SettingSpec> schema_;
    std::map<std::string, SettingValue, std::less<>> values_;
    std::string source_;
    std::set<std::string, std::less<>> given_by_option_;
};

/// A complete TOML text of a schema with its fallbacks, each key commented; required keys stand commented out
/// as
/// `# key = ""  (required)`. What `mpira config JOB` prints.
std::string commented_toml(std::span<SettingSpec const> schema, std::string_view title);

}  // namespace mpira
