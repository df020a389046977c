// TOML settings and --set.
#include <string>
#include <vector>

#include "mpira/cli/read_settings.hpp"

#include "fuzz/hostile.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace mpira;
    fuzz::Bytes const bytes(data, size);
    return fuzz::read_or_refuse([&] {
        static std::vector<SettingSpec> const schema = {
            {"seed", SettingKind::integer, std::int64_t{0}, "", Affects::result, {}, 0, 1e9},
            {"rate", SettingKind::number, 0.5, "", Affects::result, {}, 0, 1},
            {"name", SettingKind::text, std::string("a"), "", Affects::result, {"a", "b"}},
            {"sites.names", SettingKind::texts, std::vector<std::string>{}, ""},
            {"sites.paired", SettingKind::flag, true, ""}};
        auto const text = fuzz::text_of(bytes);
        // What follows a NUL is an override, as of --set.
        auto const cut = text.find(char{0});
        std::vector<std::string> overrides;
        if (cut != std::string_view::npos) overrides.emplace_back(text.substr(cut + 1));
        (void)cli::parse_settings(schema, text.substr(0, cut), "fuzz.toml", overrides);
    });
}
